// Draw the Graphviz document on stdin as SVG on stdout. The first argument is the module of
// @hpcc-js/wasm-graphviz, which carries Graphviz as WebAssembly: nothing is downloaded.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { Graphviz } = await import(pathToFileURL(process.argv[2]).href);
const graphviz = await Graphviz.load();
process.stdout.write(graphviz.layout(readFileSync(0, "utf8"), "svg", "dot"));
