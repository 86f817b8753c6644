// Open pages in Chromium, and print as JSON what it finds: one object for each page.
//
//   node browser.mjs NODE_MODULES CHROMIUM FILE...
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, executablePath, ...files] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${modules}/`));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 360, height: 740 };

// Elements whose right edge is outside of the window, apart from what scrolls by itself.
function cutElements() {
  const scrolled = ".picture, pre, .skip, caption, thead";
  return [...document.querySelectorAll("body *")]
    .filter((element) => !element.closest(scrolled))
    .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
    .map((element) => element.outerHTML.slice(0, 120));
}

async function violations(page) {
  const result = await page.evaluate(() => axe.run());
  return result.violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}: ${nodes[0].failureSummary}`);
}

// The page as a keyboard reaches it: what has the focus, and whether that can be seen.
async function focused(page, keys) {
  const stops = [];
  for (const key of keys) {
    await page.keyboard.press(key);
    stops.push(await page.evaluate(() => {
      const element = document.activeElement;
      const box = element.getBoundingClientRect();
      return {
        text: element.id || element.textContent.trim().slice(0, 40),
        outline: getComputedStyle(element).outlineStyle,
        seen: box.left >= 0 && box.top >= 0 && box.width > 0,
      };
    }));
  }
  return stops;
}

const browser = await chromium.launch({ executablePath });
const results = [];
for (const file of files) {
  const context = await browser.newContext({ viewport: WIDE });
  const page = await context.newPage();
  const result = { messages: [], requests: [], violations: {} };
  page.on("console", (message) => result.messages.push(message.text()));
  page.on("dialog", (dialog) => (result.messages.push(dialog.message()), dialog.dismiss()));
  page.on("pageerror", (error) => result.messages.push(String(error)));
  page.on("request", (request) => result.requests.push(request.url()));
  await page.goto(pathToFileURL(file).href);
  result.stops = await focused(page, ["Tab", "Enter", "Tab", "Tab"]);
  await page.evaluate(() => document.querySelectorAll("details").forEach((part) => (part.open = true)));
  // The debugger runs axe, as the page's policy allows no script.
  await page.evaluate(axe);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    result.violations[colorScheme] = await violations(page);
    result[colorScheme] = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  }
  result.wide = await page.evaluate(() => document.documentElement.scrollWidth);
  await page.setViewportSize(NARROW);
  result.narrow = {
    width: await page.evaluate(() => document.documentElement.scrollWidth),
    cut: await page.evaluate(cutElements),
    violations: await violations(page),
  };
  await page.setViewportSize({ width: 718, height: 1000 });
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  result.print = await page.evaluate(() => ({
    width: document.documentElement.scrollWidth,
    background: getComputedStyle(document.body).backgroundColor,
    contents: getComputedStyle(document.querySelector("nav")).display,
    drawing: document.querySelector("svg")?.getBoundingClientRect().width ?? 0,
  }));
  result.pages = (await page.pdf({ format: "A4" })).toString("latin1").split("/Type /Page\n").length - 1;
  await context.close();
  results.push(result);
}
await browser.close();
process.stdout.write(JSON.stringify(results));
