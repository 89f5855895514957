// Text from the bytes of a file. Runs in the worker.

const encodings = ["utf-8", "utf-16le", "utf-16be", "windows-1252", "windows-1250", "iso-8859-15", "macintosh"];

// detectEncoding goes by the byte order mark; else text that is valid UTF-8 is UTF-8, as
// no other text is by chance, also with a slip in it, and all else is what spreadsheets on
// Windows write.
function detectEncoding(bytes) {
  const [a, b, c] = bytes;
  if (a === 0xef && b === 0xbb && c === 0xbf) return "utf-8";
  if (a === 0xff && b === 0xfe) return "utf-16le";
  if (a === 0xfe && b === 0xff) return "utf-16be";
  const zeros = [0, 0];
  bytes.subarray(0, 2000).forEach((byte, i) => { if (byte === 0) zeros[i % 2]++; });
  if (zeros[1] > 10 && zeros[1] > 5 * zeros[0]) return "utf-16le";
  if (zeros[0] > 10 && zeros[0] > 5 * zeros[1]) return "utf-16be";
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return "utf-8";
  } catch {
    const text = new TextDecoder().decode(bytes);
    let good = 0, bad = 0;
    for (let i = 0; i < text.length; i++) {
      const c = text.charCodeAt(i);
      if (c === 0xfffd) bad++;
      else if (c > 127) good++;
    }
    if (bad < good) return "utf-8";
    return "windows-1252";
  }
}

// notText names the kinds of files that people take for CSV, "" for others.
function notText(bytes) {
  const starts = (...head) => head.every((byte, i) => bytes[i] === byte);
  if (starts(0x50, 0x4b, 3, 4) || starts(0xd0, 0xcf, 0x11, 0xe0)) return "spreadsheet";
  if (starts(0x1f, 0x8b)) return "gzip";
  if (starts(0x25, 0x50, 0x44, 0x46)) return "pdf";
  return "";
}
