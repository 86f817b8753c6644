"""Write the generated pages below docs/reference/."""

from tools.reference_pages import pages

for file, text in pages.generated_pages():
    file.write_text(text, encoding="utf-8")
