"""Write the generated pages below docs/reference/, and the drill's tables in other pages."""

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from denodo_ha.drill.drill_run import drill_paths
from tools.reference_pages import drill_table, pages

for file, text in pages.generated_pages():
    file.write_text(text, encoding="utf-8")
with TemporaryDirectory() as folder:
    output = Path(folder) / "cdk.out"
    subprocess.run(
        [
            *(str(pages.ROOT / "tools/cdk-offline"), "synth", "--quiet"),
            *("-c", f"config={drill_table.EXAMPLE}", "--output", str(output)),
        ],
        cwd=pages.ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=600,
    )
    result = drill_paths([output])
for file, text in pages.drill_pages(result):
    file.write_text(text, encoding="utf-8")
