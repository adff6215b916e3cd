/** What CPython 3.11's `str` methods give. */
import { assertEquals } from "@std/assert";
import { capitalize, lengthOf, strip, stripEnd } from "../../src/text/python.ts";

Deno.test("a text is capitalised as str.capitalize does it", () => {
  const expected: Record<string, string> = {
    "": "",
    "he IS on": "He is on",
    "[header] NAME": "[header] name",
    "élan VITAL": "Élan vital",
    "ßAB": "Ssab",
    "ﬁT": "Fit",
    "ǆAB": "ǅab",
    "ŉAB": "ʼNab",
    "ᾳAB": "ᾼab",
    "ᾲAB": "Ὰͅab",
    "აB": "აb",
    "ΑΣ": "Ας",
    "İI": "İi",
    "𐐨𐐀": "𐐀𐐨",
  };
  for (const [text, capital] of Object.entries(expected)) assertEquals(capitalize(text), capital, text);
});

Deno.test("white space is str.isspace's: without U+FEFF, with U+0085 and the separators below U+0020", () => {
  assertEquals(strip("\x1c\x85 a b\u3000\n"), "a b");
  assertEquals(strip("\ufeffa\ufeff"), "\ufeffa\ufeff");
  assertEquals(stripEnd(" a \t"), " a");
});

Deno.test("the length of a text is the number of its code points", () => {
  assertEquals(lengthOf("aé𝄞👩‍🚀"), 6);
});
