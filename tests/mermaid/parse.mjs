// Reads a diagram, and says its kind or what Mermaid's own parser finds wrong in it.
import { readFileSync } from 'node:fs';
import { JSDOM } from 'jsdom';

const { window } = new JSDOM('');
globalThis.window = window;
globalThis.document = window.document;
const { default: mermaid } = await import('mermaid');
try {
  console.log((await mermaid.parse(readFileSync(0, 'utf8'))).diagramType);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
