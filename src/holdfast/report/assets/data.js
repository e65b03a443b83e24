// Blocks of the page -> objects. See blocks.py for the form.
"use strict";
async function readBlock(id) {
  const element = document.getElementById(id);
  if (!element || !element.textContent.trim()) return null;
  const text = atob(element.textContent.trim());
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  element.textContent = "";
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const buffer = await new Response(stream).arrayBuffer();
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let at = 4 + length;
  for (const [name, type, count] of header.arrays) {
    const Kind = { Uint8Array, Uint32Array }[type];
    header[name + "_"] = new Kind(buffer, at, count);
    at += count * Kind.BYTES_PER_ELEMENT;
    at += (4 - (at % 4)) % 4;
  }
  return header;
}

function make(tag, options = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((c) => c !== null && c !== undefined));
  return element;
}
