// What TypeScript's parser finds in the modules that it is told: functions that are too long to read, and types that are
// none. Run by test_page.py: `node structure.mjs TYPESCRIPT MOST_LINES FILE …` prints each as a line.

import { readFileSync } from "node:fs"
import { createRequire } from "node:module"

const [, , typescript, most, ...files] = process.argv
const ts = createRequire(import.meta.url)(typescript)

for (const file of files) {
  const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true, ts.ScriptKind.JS)
  const lineOf = position => source.getLineAndCharacterOfPosition(position).line + 1
  /** @param {import("typescript").Node} node */
  const visit = node => {
    const [first, last] = [lineOf(node.getStart()), lineOf(node.getEnd())]
    if (ts.isFunctionLike(node) && node.body && last - first >= most) console.log(`${file}:${first}: a function of ${last - first + 1} lines`)
    if (node.kind === ts.SyntaxKind.AnyKeyword) console.log(`${file}:${first}: any`)
    for (const comment of node.jsDoc ?? []) visit(comment)
    ts.forEachChild(node, visit)
  }
  visit(source)
}
