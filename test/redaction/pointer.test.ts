import fc from "fast-check";
import t from "tap";
import { formatPointer, isPointer, parsePointer } from "../../src/redaction/pointer.ts";

t.test("reads the examples of RFC 6901 §5", async (t) => {
  const examples: Readonly<Record<string, readonly string[]>> = {
    "": [],
    "/foo": ["foo"],
    "/foo/0": ["foo", "0"],
    "/": [""],
    "/a~1b": ["a/b"],
    "/c%d": ["c%d"],
    "/e^f": ["e^f"],
    "/g|h": ["g|h"],
    "/i\\j": ["i\\j"],
    '/k"l': ['k"l'],
    "/ ": [" "],
    "/m~0n": ["m~n"],
    "/~01": ["~1"],
    "//": ["", ""],
  };
  for (const [pointer, tokens] of Object.entries(examples)) {
    t.strictSame(parsePointer(pointer), tokens, pointer);
    t.equal(formatPointer(tokens), pointer);
  }
});

t.test("refuses what is no pointer", async (t) => {
  for (const text of ["foo", "#/foo", " /foo", "/~", "/~2", "/a~", "/__proto__", "/a/__proto__/b"]) {
    t.throws(() => parsePointer(text), { code: "PATCH_MALFORMED" }, text);
    t.notOk(isPointer(text), text);
  }
  t.throws(() => parsePointer(undefined as never), { code: "PATCH_MALFORMED" });
});

t.test("every path of keys has one pointer that reads back as it", async () => {
  const key = fc.string({ unit: fc.constantFrom("a", "~", "/", "0", "1") });
  fc.assert(
    fc.property(fc.array(key, { maxLength: 5 }), (path) => {
      const pointer = formatPointer(path);
      return isPointer(pointer) && JSON.stringify(parsePointer(pointer)) === JSON.stringify(path);
    }),
  );
});
