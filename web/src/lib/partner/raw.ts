// Reading a record without reading its numbers: what is written is what is shown.

/**
 * The text of a plain member of a JSON object at its top level, numbers as they are written: reading a record with
 * `JSON.parse` would make its amounts floats.
 */
export function rawMember(json: string, key: string): string | null {
  const token = /"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s{}[\]:,"]+/gy;
  let depth = 0;
  let before: string[] = [];
  for (let match = token.exec(skip(json, token)); match; match = token.exec(skip(json, token))) {
    const [text] = match;
    if (text === '{' || text === '[') depth += 1;
    else if (text === '}' || text === ']') depth -= 1;
    else if (depth === 1 && before.length >= 2 && before.at(-1) === ':' && unquoted(before.at(-2)!) === key) return text === 'null' ? null : unquoted(text);
    before = [...before.slice(-1), text];
  }
  return null;
}

function skip(json: string, token: RegExp): string {
  while (token.lastIndex < json.length && /\s/.test(json[token.lastIndex]!)) token.lastIndex += 1;
  return json;
}

function unquoted(text: string): string {
  if (!text.startsWith('"')) return text;
  try {
    return String(JSON.parse(text));
  } catch {
    return text.slice(1, -1);
  }
}
