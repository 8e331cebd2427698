"use strict";

const COLUMNS = ["rank", "utt", "audio", "label", "status", "annotator", "comment"];
// What a spreadsheet would take for a formula when it opens the file.
const FORMULA = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;

/** Text that a person typed, as a cell that no spreadsheet computes. */
function typed(text) {
  return FORMULA.test(text) ? "'" + text : text;
}

/** The inverse of `typed`. */
function untyped(text) {
  return text.startsWith("'") && FORMULA.test(text.slice(1)) ? text.slice(1) : text;
}

/** One cell as RFC 4180 has it. */
function quoted(value) {
  const text = String(value);
  return /[",;\t\r\n]|^\s|\s$/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
}

/** Rows (objects by column) as a CSV with a header. */
function formatCsv(rows) {
  const lines = rows.map((row) => COLUMNS.map((name) => quoted(row[name])).join(","));
  return [COLUMNS.join(","), ...lines].join("\r\n") + "\r\n";
}

/** The rows of a CSV as objects by column; spreadsheets also save with semicolons or tabs. */
function parseCsv(text) {
  text = text.replace(/^\ufeff/, "");
  const head = text.split(/\r?\n/, 1)[0];
  const separator = [",", ";", "\t"].find((mark) => head.split(mark).length > 1) || ",";
  const rows = [];
  let row = [], cell = "", inside = false, wasQuoted = false;
  const endCell = () => { row.push(cell); cell = ""; wasQuoted = false; };
  const endRow = () => { endCell(); if (row.length > 1 || row[0] !== "") rows.push(row); row = []; };
  for (let i = 0; i < text.length; i++) {
    const sign = text[i];
    if (inside) {
      if (sign !== '"') cell += sign;
      else if (text[i + 1] === '"') { cell += '"'; i++; }
      else inside = false;
    } else if (sign === '"' && cell === "" && !wasQuoted) { inside = true; wasQuoted = true; }
    else if (sign === separator) endCell();
    else if (sign === "\n") endRow();
    else if (sign === "\r" && text[i + 1] === "\n") { endRow(); i++; }
    else cell += sign;
  }
  if (inside) throw new Error("a quoted cell does not end, so the file breaks off");
  if (cell !== "" || row.length) endRow();
  if (!rows.length) throw new Error("the file is empty");
  const names = rows[0].map((name) => name.trim().toLowerCase());
  const lost = ["utt", "label", "status"].filter((name) => !names.includes(name));
  if (lost.length) throw new Error("it has no column " + lost[0]);
  return rows.slice(1).map((cells, index) => {
    // spreadsheets leave out empty cells at the end of a row
    if (cells.slice(names.length).some((cell) => cell !== "")) {
      throw new Error("row " + (index + 2) + " has " + cells.length + " cells, the header " + names.length);
    }
    return Object.fromEntries(names.map((name, place) => [name, cells[place] ?? ""]));
  });
}
