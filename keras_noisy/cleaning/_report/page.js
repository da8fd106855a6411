// The page: the list of images, of which only the cards near the window exist, and their marks.
"use strict";

const byId = (id) => document.getElementById(id);
const DATA = JSON.parse(byId("data").textContent);
// The columns of the list, most suspicious first. `labels` and `looks` are positions in `names`.
const { names, paths, labels, looks, doubts, shares } = DATA;
const COUNT = paths.length;
const STORAGE_KEY = `keras-noisy-report:${DATA.key}`;
const SHOWN_CLASSES = 5;
const GAP = 12;
const GROUP_HEIGHT = 44;
const MARKS = ["right", "wrong", "unclear"];

// The marks: from the position in the list to { mark, newLabel }.
let marks = new Map();
// Steps to undo, each a list of [position in the list, earlier mark or undefined].
const steps = [];
// The listed images after filters, in the order on the page, and the places of their cards.
let listed = [];
let rows = [];
let rowOf = [];
let columns = 1;
let cardWidth = 0;
let cardHeight = 0;
// The selected image, as a position in the list, and its place in `listed`.
let selected = COUNT ? 0 : -1;
let place = 0;
let typing = false;
// Whether images pass too fast to be seen, so that they are not loaded.
let isFast = false;
const cards = new Map();

// --- Words

const formatNumber = (value) => value.toLocaleString("en-US");
const nameOf = (index) => (index < 0 ? "" : names[index]);
const count = (number, one, many) => `${formatNumber(number)} ${number === 1 ? one : many}`;

function formatPercent(value) {
  if (value === null) return "–";
  if (value > 0.999 && value < 1) return ">99.9\u00a0%";
  return `${(100 * value).toFixed(1)}\u00a0%`;
}

function formatAbout(value) {
  if (value === null) return "–";
  return formatNumber(value < 9.95 ? Math.round(10 * value) / 10 : Math.round(value));
}

function build(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function say(text) {
  byId("message").textContent = text;
}

// --- Addresses of images

// Python writes a byte of a name that is not UTF-8 as a lone surrogate from DC80 to DCFF.
const splitBytes = (text) => text.split(/([\udc80-\udcff])/u);
const isByte = (text) => /^[\udc80-\udcff]$/u.test(text);

function encodeName(name) {
  return splitBytes(name)
    .map((part) =>
      isByte(part)
        ? `%${(part.charCodeAt(0) - 0xdc00).toString(16)}`
        : encodeURIComponent(part.toWellFormed?.() ?? part),
    )
    .join("");
}

function addressOf(index) {
  const encoded = paths[index].split("/").map(encodeName).join("/");
  return paths[index].startsWith("/") ? `file://${encoded}` : DATA.base + encoded;
}

// --- Storage

let storage = null;
try {
  storage = window.localStorage;
  storage.setItem(`${STORAGE_KEY}:test`, "");
  storage.removeItem(`${STORAGE_KEY}:test`);
} catch {
  storage = null;
}

function load() {
  marks = new Map();
  try {
    for (const [index, mark, newLabel] of JSON.parse(storage?.getItem(STORAGE_KEY) ?? "[]")) {
      if (index in paths && MARKS.includes(mark)) marks.set(index, { mark, newLabel });
    }
  } catch {
    // Something else has written there.
  }
}

function save() {
  const all = [...marks].map(([index, { mark, newLabel }]) => [index, mark, newLabel]);
  try {
    if (all.length) storage?.setItem(STORAGE_KEY, JSON.stringify(all));
    else storage?.removeItem(STORAGE_KEY);
  } catch {
    storage = null; // it is full
  }
  byId("storage-warning").hidden = storage !== null;
}

// Another tab shows the same report.
window.addEventListener("storage", (event) => {
  if (event.key !== STORAGE_KEY && event.key !== null) return;
  steps.length = 0;
  load();
  refresh();
});
window.addEventListener("beforeunload", (event) => {
  if (storage === null && marks.size) event.preventDefault();
});

// --- Marks

const newLabelOf = (index, mark) =>
  ({ right: nameOf(labels[index]), wrong: nameOf(looks[index]), unclear: "" })[mark];
// Whether there is a suggested class other than the label.
const hasSuggestion = (index) => looks[index] >= 0 && looks[index] !== labels[index];
const isOther = (index) =>
  marks.get(index)?.mark === "wrong" && marks.get(index).newLabel !== newLabelOf(index, "wrong");

// Sets several marks as one step: `changes` has [position in the list, mark or undefined].
function setMarks(changes) {
  steps.push(changes.map(([index]) => [index, marks.get(index)]));
  apply(changes);
}

function apply(changes) {
  for (const [index, mark] of changes) {
    if (mark) marks.set(index, mark);
    else marks.delete(index);
  }
  save();
  say("");
}

// Marks the selected image, and selects the next one. A second click removes the mark.
function markSelected(mark, newLabel, { byClick = false } = {}) {
  const index = selected;
  if (mark === "wrong" && newLabel === undefined && !hasSuggestion(index)) {
    startTyping();
    return;
  }
  newLabel ??= newLabelOf(index, mark);
  const earlier = marks.get(index);
  const isSame = earlier?.mark === mark && earlier.newLabel === newLabel;
  typing = false;
  if (isSame && byClick) {
    setMarks([[index, undefined]]);
    showMarks([index]);
    select(selected, { focus: true });
    return;
  }
  if (!isSame) setMarks([[index, { mark, newLabel }]]);
  const next = listed[place + 1];
  showMarks([index]);
  // With a filter by marks, the image may have left the list, and the next one has its place.
  select(next ?? selected, { focus: true, scroll: !byClick });
}

function undo() {
  const step = steps.pop();
  if (!step) {
    if (marks.has(selected)) removeMark();
    else say("There is nothing to undo.");
    return;
  }
  typing = false;
  apply(step);
  showMarks(step.map(([index]) => index));
  const [index] = step[0];
  if (step.length > 1) say(`${count(step.length, "mark was", "marks were")} undone.`);
  if (listed.includes(index)) select(index, { focus: true, scroll: true });
}

function removeMark() {
  if (!marks.has(selected)) {
    undo();
    return;
  }
  const index = selected;
  setMarks([[index, undefined]]);
  showMarks([index]);
  select(selected, { focus: true, scroll: true });
}

// --- Typing a class

const folded = (text) => text.trim().toLocaleLowerCase();

// Returns the class that a text means, or -1: the same name, or the only one but for its case.
function findClass(text) {
  const same = names.indexOf(text);
  if (same >= 0) return same;
  const alike = names.flatMap((name, index) => (folded(name) === folded(text) ? [index] : []));
  return alike.length === 1 ? alike[0] : -1;
}

function startTyping() {
  if (byId("large-dialog").open) byId("large-dialog").close();
  typing = true;
  select(selected, { scroll: true });
  cards.get(selected).querySelector(".typing input").focus({ preventScroll: true });
}

function stopTyping() {
  typing = false;
  select(selected, { focus: true });
}

function acceptTyped(input) {
  const found = findClass(input.value);
  if (found < 0) {
    input.setCustomValidity("There is no class of this name.");
    input.reportValidity();
  } else if (found === labels[selected]) {
    markSelected("right");
  } else {
    markSelected("wrong", names[found]);
  }
}

// --- Order and filters

function list() {
  const order = byId("order").value;
  const label = byId("label").value;
  const marked = byId("marked").value;
  const wanted = byId("search").value.toLocaleLowerCase();
  const isListed = (index) =>
    (label === "" || labels[index] === Number(label)) &&
    (marked === "all" || (marks.get(index)?.mark ?? "none") === marked) &&
    (wanted === "" || searched(index).includes(wanted));
  listed = [];
  for (let index = 0; index < COUNT; index += 1) if (isListed(index)) listed.push(index);
  if (order === "doubt") return [{ members: listed }];
  const groups = new Map();
  for (const index of listed) {
    const key = order === "label" ? labels[index] : `${labels[index]} ${looks[index]}`;
    if (!groups.has(key)) groups.set(key, { first: index, members: [] });
    groups.get(key).members.push(index);
  }
  // Largest groups first; equal ones stay in the order of the list.
  const sorted = [...groups.values()].sort((a, b) => b.members.length - a.members.length);
  listed = sorted.flatMap(({ members }) => members);
  return sorted.map(({ first, members }) => ({
    members,
    title: nameOf(labels[first]) + (order === "pair" ? ` → ${nameOf(looks[first])}` : ""),
  }));
}

const texts = [];
const searched = (index) =>
  (texts[index] ??= [paths[index], nameOf(labels[index]), nameOf(looks[index])]
    .join("\n")
    .toLocaleLowerCase());

// --- Places of the cards

function layOut(groups) {
  const width = byId("cards").clientWidth;
  const least = width < 600 ? 150 : 180;
  columns = Math.max(1, Math.floor((width + GAP) / (least + GAP)));
  cardWidth = (width - GAP * (columns - 1)) / columns;
  cardHeight = measureCard();
  rows = [];
  rowOf = new Int32Array(listed.length);
  let top = 0;
  let start = 0;
  for (const { members, title } of groups) {
    if (title !== undefined) {
      rows.push({ top, height: GROUP_HEIGHT, start, size: 0, title, count: members.length });
      top += GROUP_HEIGHT;
    }
    for (let done = 0; done < members.length; done += columns) {
      const size = Math.min(columns, members.length - done);
      rowOf.fill(rows.length, start, start + size);
      rows.push({ top, height: cardHeight, start, size });
      start += size;
      top += cardHeight + GAP;
    }
  }
  byId("cards").style.height = `${top}px`;
}

// All cards have the same height, because their texts have.
function measureCard() {
  const card = byId("card").content.firstElementChild.cloneNode(true);
  card.style.width = `${cardWidth}px`;
  card.style.visibility = "hidden";
  byId("cards").append(card);
  const height = card.offsetHeight;
  card.remove();
  return height;
}

// Returns the first row that ends below a height.
function findRow(height) {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].top + rows[middle].height > height) high = middle;
    else low = middle + 1;
  }
  return low;
}

// Computes the list anew, and keeps the selection if it is still listed.
function refresh() {
  const earlier = listed[place];
  const groups = list();
  layOut(groups);
  const found = listed.indexOf(selected === -1 ? earlier : selected);
  place = found >= 0 ? found : Math.min(place, listed.length - 1);
  selected = place >= 0 ? listed[place] : -1;
  place = Math.max(place, 0);
  byId("empty").hidden = listed.length > 0;
  byId("reset").hidden = COUNT === 0;
  byId("empty").firstElementChild.textContent =
    COUNT === 0 ? "No label is suspicious." : "No image matches these filters.";
  showProgress();
  render();
  for (const index of cards.keys()) showCard(index);
}

// Shows marks that have changed. The list changes only if it is filtered by marks.
function showMarks(indices) {
  if (byId("marked").value !== "all") {
    refresh();
    return;
  }
  showProgress();
  for (const index of indices) showCard(index);
}

// --- Cards

// Creates the cards near the window, and removes the others except for the selected one.
function render() {
  const offset = byId("cards").getBoundingClientRect().top;
  const near = window.innerHeight * 0.75;
  // The headings and the places of cards.
  const wanted = [];
  let hasSelected = selected < 0;
  const add = (row, position) => {
    hasSelected ||= position === place;
    wanted.push([row, position]);
  };
  const first = findRow(-offset - near);
  if (!hasSelected && rowOf[place] < first) add(rows[rowOf[place]], place);
  for (let r = first; r < rows.length && rows[r].top + offset < window.innerHeight + near; r += 1) {
    const { start, size } = rows[r];
    if (size === 0) wanted.push([rows[r]]);
    for (let position = start; position < start + size; position += 1) add(rows[r], position);
  }
  if (!hasSelected) add(rows[rowOf[place]], place);

  const kept = new Set(wanted.map(([, position]) => listed[position]));
  for (const [index, card] of cards) {
    if (kept.has(index)) continue;
    card.remove();
    cards.delete(index);
  }
  for (const heading of byId("cards").querySelectorAll(".group")) heading.remove();
  let next = byId("cards").firstElementChild;
  for (const [row, position] of wanted) {
    const element = position === undefined ? buildHeading(row) : findCard(listed[position]);
    if (position !== undefined) putCard(element, row, position);
    if (element === next) next = next.nextElementSibling;
    else byId("cards").insertBefore(element, next);
  }
}

function findCard(index) {
  if (!cards.has(index)) {
    cards.set(index, buildCard(index));
    showCard(index);
  }
  return cards.get(index);
}

function putCard(card, row, position) {
  card.style.left = `${(position - row.start) * (cardWidth + GAP)}px`;
  card.style.top = `${row.top}px`;
  card.style.width = `${cardWidth}px`;
  card.setAttribute("aria-posinset", position + 1);
  card.setAttribute("aria-setsize", listed.length);
}

function buildHeading({ top, title, count: number }) {
  const heading = build("h3", "group");
  heading.style.top = `${top}px`;
  heading.title = title;
  heading.append(build("span", "", title), build("small", "", count(number, "image", "images")));
  return heading;
}

function buildCard(index) {
  const card = byId("card").content.firstElementChild.cloneNode(true);
  const part = (selector) => card.querySelector(selector);
  card.dataset.index = index;
  card.setAttribute(
    "aria-label",
    `${paths[index]}, labelled ${nameOf(labels[index])}, looks like ${nameOf(looks[index])}`,
  );
  part(".rank").textContent = formatNumber(index + 1);
  part(".picture").prepend(buildImage(index));
  fillClasses(part(".classes"), index);
  fillPath(part(".path"), index);
  part(".doubt b").textContent = formatPercent(doubts[index]);
  part(".share").textContent = `Up to here: ${formatPercent(shares[index])}`;
  part(".share").title =
    `Of the first ${count(index + 1, "image", "images")} of the list, ` +
    `${formatPercent(shares[index])} are expected to have wrong labels.`;
  const suggestion = hasSuggestion(index) ? `it is “${nameOf(looks[index])}”` : "type the class";
  part('[data-action="wrong"]').title = `The label is wrong: ${suggestion} (W)`;
  return card;
}

function buildImage(index) {
  const image = build("img");
  image.alt = "";
  image.decoding = "async";
  image.draggable = false;
  image.addEventListener("error", () => {
    const missing = build("span", "missing");
    const file = paths[index].split("/").at(-1);
    missing.append(build("b", "", file), "The browser can’t show this file.");
    image.replaceWith(missing);
  });
  image.dataset.index = index;
  if (!isFast) image.src = addressOf(index);
  return image;
}

function loadImages() {
  for (const image of byId("cards").querySelectorAll("img:not([src])")) {
    image.src = addressOf(Number(image.dataset.index));
  }
}

function fillClasses(element, index) {
  element.title = `${nameOf(labels[index])} → ${nameOf(looks[index])}`;
  const suggested = build("span", "", "→ ");
  suggested.append(build("b", "looks", nameOf(looks[index])));
  // On cards, the two names stand on lines of their own, so that both can be seen.
  const space = build("span", "space", " ");
  element.replaceChildren(build("b", "", nameOf(labels[index])), space, suggested);
}

function fillPath(element, index) {
  const cut = paths[index].lastIndexOf("/") + 1;
  element.title = paths[index];
  element.replaceChildren(
    build("span", "", paths[index].slice(0, cut)),
    build("span", "file", paths[index].slice(cut)),
  );
}

// Shows what may change on a card: its mark, the selection and the input of a class.
function showCard(index) {
  const card = cards.get(index);
  if (!card) return;
  const mark = marks.get(index)?.mark;
  const isSelected = index === selected;
  for (const name of MARKS) card.classList.toggle(name, mark === name);
  card.classList.toggle("selected", isSelected);
  if (isSelected) card.setAttribute("aria-current", "true");
  else card.removeAttribute("aria-current");
  const isTyping = isSelected && typing;
  card.querySelector(".marks").hidden = isTyping;
  const form = card.querySelector(".typing");
  if (isTyping && !form) card.append(buildTyping());
  if (!isTyping) form?.remove();
  const pressed = { right: "right", unclear: "unclear", wrong: isOther(index) ? "other" : "wrong" };
  for (const button of card.querySelectorAll(".marks button")) {
    button.setAttribute("aria-pressed", pressed[mark] === button.dataset.action);
  }
  const other = card.querySelector('[data-action="other"]');
  other.textContent = isOther(index) ? marks.get(index).newLabel : "Other…";
  other.ariaLabel = isOther(index) ? `Other class: ${marks.get(index).newLabel}` : "Other class";
  // The Tab key goes to the selected card and its buttons, then leaves the cards.
  card.tabIndex = isSelected ? 0 : -1;
  for (const button of card.querySelectorAll("button")) button.tabIndex = isSelected ? 0 : -1;
}

function buildTyping() {
  const form = byId("typing").content.firstElementChild.cloneNode(true);
  const input = form.querySelector("input");
  input.addEventListener("input", () => input.setCustomValidity(""));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    acceptTyped(input);
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    stopTyping();
  });
  return form;
}

// --- Selection

function select(index, { focus = false, scroll = false } = {}) {
  if (index === undefined || index < 0) return;
  const earlier = selected;
  if (index !== earlier) typing = false;
  selected = index;
  if (listed[place] !== index) place = listed.indexOf(index);
  if (scroll) scrollToSelected();
  render();
  showCard(earlier);
  showCard(index);
  const isLarge = byId("large-dialog").open;
  if (isLarge) showLarge();
  if (focus && !isLarge) cards.get(index).focus({ preventScroll: true });
}

function visibleHeights() {
  const bar = byId("bar").getBoundingClientRect();
  const isSticky = getComputedStyle(byId("bar")).position === "sticky";
  return [isSticky ? bar.height : 0, window.innerHeight];
}

function scrollToSelected() {
  const [top, bottom] = visibleHeights();
  const start = byId("cards").getBoundingClientRect().top + rows[rowOf[place]].top;
  const above = start - GAP - top;
  const below = start + cardHeight + GAP - bottom;
  const distance = above < 0 ? above : Math.max(0, Math.min(below, above));
  window.scrollBy({ top: distance, behavior: "instant" });
}

// Whether at least half of the selected card is visible: keys must not mark what nobody sees.
function isSelectedVisible() {
  if (byId("large-dialog").open) return true;
  const [top, bottom] = visibleHeights();
  const middle =
    byId("cards").getBoundingClientRect().top + rows[rowOf[place]].top + cardHeight / 2;
  return middle > top && middle < bottom;
}

function move(key) {
  if (!isSelectedVisible()) {
    // Continues where the reader is looking.
    const [top, bottom] = visibleHeights();
    const offset = byId("cards").getBoundingClientRect().top;
    let r = findRow(top - offset + cardHeight / 2);
    if (rows[r]?.size === 0) r += 1;
    const isNear = r < rows.length && rows[r].top + offset + cardHeight / 2 < bottom;
    select(isNear ? listed[rows[r].start] : selected, { focus: true, scroll: true });
    return;
  }
  const row = rows[rowOf[place]];
  const column = place - row.start;
  const inRow = (start, step) => {
    let r = start + step;
    while (rows[r]?.size === 0) r += step;
    return rows[r] ? rows[r].start + Math.min(column, rows[r].size - 1) : place;
  };
  const to = {
    ArrowLeft: () => place - 1,
    ArrowRight: () => place + 1,
    ArrowUp: () => inRow(rowOf[place], -1),
    ArrowDown: () => inRow(rowOf[place], 1),
  }[key]();
  select(listed[Math.min(Math.max(to, 0), listed.length - 1)], { focus: true, scroll: true });
}

// --- The enlarged image

let largeIndex = -1;

function enlarge() {
  stopFollowing();
  largeIndex = -1;
  showLarge();
  byId("large-dialog").showModal();
}

function showLarge() {
  const dialog = byId("large-dialog");
  if (largeIndex !== selected) {
    largeIndex = selected;
    dialog.querySelector(".large").replaceChildren(buildImage(selected));
    fillClasses(dialog.querySelector(".classes"), selected);
    fillPath(dialog.querySelector(".path"), selected);
  }
  const { mark, newLabel } = marks.get(selected) ?? {};
  dialog.querySelector(".state").textContent = {
    undefined: `Not marked. ${formatPercent(doubts[selected])} likely wrong.`,
    right: "Marked as right.",
    wrong: `Marked as wrong: it is “${newLabel}”.`,
    unclear: "Marked as unclear.",
  }[mark];
}

byId("large-dialog").addEventListener("close", () => cards.get(selected)?.focus());

// --- Progress

function showProgress() {
  const numbers = { right: 0, wrong: 0, unclear: 0 };
  let expected = 0;
  for (const [index, { mark }] of marks) {
    numbers[mark] += 1;
    if (mark !== "unclear") expected += doubts[index] ?? 0;
  }
  const { right, wrong, unclear } = numbers;
  const parts = [];
  if (right + wrong) parts.push(`${formatNumber(wrong)} wrong (${formatAbout(expected)}\u00a0expected)`);
  if (right) parts.push(`${formatNumber(right)}\u00a0right`);
  if (unclear) parts.push(`${formatNumber(unclear)}\u00a0unclear`);
  byId("progress").replaceChildren(
    build("b", "", formatNumber(marks.size)),
    ` of ${formatNumber(COUNT)} marked`,
    build("span", "", parts.length ? `: ${parts.join(", ")}.` : "."),
  );
  byId("progress").title =
    "The expected number is the sum of the probabilities that these labels are wrong. " +
    "Unclear images are not counted.";
  byId("meter").style.width = `${COUNT ? (100 * marks.size) / COUNT : 0}%`;
  byId("export").disabled = byId("clear").disabled = marks.size === 0;
}

// --- Export and import

const quote = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function formatMarks() {
  const lines = ["path,label,mark,new_label"];
  for (let index = 0; index < COUNT; index += 1) {
    const marked = marks.get(index);
    if (!marked) continue;
    const cells = [paths[index], nameOf(labels[index]), marked.mark, marked.newLabel];
    lines.push(cells.map(quote).join(","));
  }
  return lines.join("\r\n") + "\r\n";
}

function exportMarks() {
  // Bytes of names that are not UTF-8 are written as they are, as Python's surrogateescape does.
  const parts = splitBytes(formatMarks()).map((part) =>
    isByte(part) ? new Uint8Array([part.charCodeAt(0) - 0xdc00]) : part,
  );
  const link = build("a");
  link.href = URL.createObjectURL(new Blob(parts, { type: "text/csv;charset=utf-8" }));
  link.download = "marks.csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  say(`${count(marks.size, "mark was", "marks were")} exported to marks.csv.`);
}

// Decodes UTF-8; other bytes become lone surrogates, as in Python.
function decode(bytes) {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    return decoder.decode(bytes);
  } catch {
    let text = "";
    for (let start = 0; start < bytes.length; ) {
      let length = 4;
      for (; length > 0; length -= 1) {
        try {
          text += decoder.decode(bytes.subarray(start, start + length));
          break;
        } catch {
          // Tries fewer bytes.
        }
      }
      if (length === 0) text += String.fromCharCode(0xdc00 + bytes[start]);
      start += Math.max(length, 1);
    }
    return text;
  }
}

// Returns the rows of a CSV file, each a list of cells.
function parseCsv(text) {
  const table = [];
  let row = [];
  const pattern = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\r|\n|$)/gy;
  while (pattern.lastIndex < text.length) {
    const found = pattern.exec(text);
    if (!found) throw new Error("This is not a CSV file.");
    row.push(found[1] === undefined ? found[2] : found[1].replaceAll('""', '"'));
    if (found[3] === ",") {
      if (pattern.lastIndex === text.length) row.push("");
      else continue;
    }
    table.push(row);
    row = [];
  }
  return table;
}

function importMarks(text) {
  const [header = [], ...table] = parseCsv(text);
  const column = Object.fromEntries(header.map((name, position) => [name, position]));
  if (!("path" in column && "mark" in column && "new_label" in column)) {
    throw new Error("It must have the columns path, mark and new_label.");
  }
  const indices = new Map(paths.map((path, index) => [path, index]));
  const changes = new Map();
  let missing = 0;
  let relabelled = 0;
  let invalid = 0;
  for (const row of table) {
    if (row.length === 1 && row[0] === "") continue;
    const index = indices.get(row[column.path]);
    const mark = row[column.mark];
    const label = row[column.label];
    if (index === undefined) missing += 1;
    else if (label !== undefined && label !== nameOf(labels[index])) relabelled += 1;
    else if (!MARKS.includes(mark)) invalid += 1;
    else {
      const newLabel = mark === "wrong" ? row[column.new_label] : newLabelOf(index, mark);
      const isClass = mark !== "wrong" || (names.includes(newLabel) && newLabel !== label);
      if (isClass) changes.set(index, { mark, newLabel });
      else invalid += 1;
    }
  }
  if (changes.size) setMarks([...changes]);
  refresh();
  const lines = [`${count(changes.size, "mark was", "marks were")} imported.`];
  if (missing) lines.push(`${count(missing, "image is", "images are")} not in this list.`);
  if (relabelled) lines.push(`${count(relabelled, "image has", "images have")} another label now.`);
  if (invalid) lines.push(`${count(invalid, "row has", "rows have")} no valid mark or class.`);
  say(lines.join(" "));
}

// --- The table of classes

let sortKey = "rate";
let isDescending = true;
let showsAllClasses = false;

function showClasses() {
  const { classes } = DATA;
  byId("classes").hidden = classes.length === 0;
  const valueOf = (each) =>
    ["name", "other"].includes(sortKey) ? nameOf(each[sortKey]) : each[sortKey];
  const { compare } = new Intl.Collator("en", { numeric: true });
  const sorted = [...classes].sort((a, b) => {
    const [one, two] = [valueOf(a), valueOf(b)];
    const isMissing = (value) => value === null || value === "";
    if (isMissing(one) || isMissing(two)) return isMissing(one) - isMissing(two); // come last
    const ascending = typeof one === "string" ? compare(one, two) : one - two;
    return isDescending ? -ascending : ascending;
  });
  const most = Math.max(...classes.map(({ rate }) => rate ?? 0), 1e-9);
  const listedClasses = new Set(labels);
  const cell = (text, className) => build("td", className, text);
  byId("class-rows").replaceChildren(
    ...sorted.slice(0, showsAllClasses ? undefined : SHOWN_CLASSES).map((each) => {
      const row = build("tr");
      const name = cell("");
      if (listedClasses.has(each.name)) {
        const button = build("button", "plain", nameOf(each.name));
        button.type = "button";
        button.title = "Show the suspicious images of this class";
        button.dataset.label = each.name;
        name.append(button);
      } else {
        name.textContent = nameOf(each.name);
      }
      const rate = cell(`${formatPercent(each.rate)} `, "number rate");
      rate.style.setProperty("--share", `${(100 * (each.rate ?? 0)) / most}%`);
      rate.append(build("i", "", `± ${formatPercent(each.error)}`));
      row.append(
        name,
        cell(formatNumber(each.size), "number"),
        rate,
        cell(nameOf(each.other) || "–"),
        cell(each.other < 0 ? "–" : formatAbout(each.count), "number"),
      );
      return row;
    }),
  );
  for (const button of document.querySelectorAll("th button")) {
    const direction = isDescending ? "descending" : "ascending";
    if (button.dataset.key === sortKey) button.parentElement.setAttribute("aria-sort", direction);
    else button.parentElement.removeAttribute("aria-sort");
  }
  byId("table").classList.toggle("open", showsAllClasses);
  byId("all-classes").hidden = classes.length <= SHOWN_CLASSES;
  byId("all-classes").setAttribute("aria-expanded", showsAllClasses);
  byId("all-classes").textContent = showsAllClasses
    ? "Show fewer classes"
    : `Show all ${formatNumber(classes.length)} classes`;
}

function showHeader() {
  document.title = DATA.title;
  byId("title").textContent = DATA.title;
  byId("note").textContent = DATA.note;
  const all = count(DATA.numSamples, "label", "labels");
  const verb = DATA.numSamples === 1 ? "is" : "are";
  const error = DATA.noiseRateError === null ? "" : ` ± ${formatPercent(DATA.noiseRateError)}`;
  if (DATA.noiseRate === null) {
    byId("estimate").textContent = `It is not known how many of ${all} ${verb} wrong.`;
  } else {
    const rate = build("b", "", `${formatPercent(DATA.noiseRate)}${error}`);
    byId("estimate").append("About ", rate, ` of ${all} ${verb} wrong.`);
  }
  if (COUNT === 1) byId("estimate").append(" The most suspicious one is listed below.");
  const those = `The ${formatNumber(COUNT)} most suspicious ones are listed below.`;
  if (COUNT > 1) byId("estimate").append(` ${those}`);
}

function fillLists() {
  const numbers = new Map();
  for (const label of labels) numbers.set(label, (numbers.get(label) ?? 0) + 1);
  const { compare } = new Intl.Collator("en", { numeric: true });
  const sorted = [...numbers].sort(([a], [b]) => compare(nameOf(a), nameOf(b)));
  const toOption = ([label, number]) =>
    new Option(`${nameOf(label)} (${formatNumber(number)})`, label);
  byId("label").append(new Option("all", ""), ...sorted.map(toOption));
  byId("names").append(...names.map((name) => Object.assign(build("option"), { value: name })));
}

// --- Events

const ACTIONS = {
  right: () => markSelected("right", undefined, { byClick: true }),
  wrong: () => markSelected("wrong", undefined, { byClick: true }),
  unclear: () => markSelected("unclear", undefined, { byClick: true }),
  other: () => {
    if (isOther(selected)) markSelected("wrong", marks.get(selected).newLabel, { byClick: true });
    else startTyping();
  },
  cancel: stopTyping,
  enlarge,
};

const KEYS = {
  r: () => markSelected("right"),
  w: () => markSelected("wrong"),
  u: () => markSelected("unclear"),
  t: startTyping,
  e: () => (byId("large-dialog").open ? byId("large-dialog").close() : enlarge()),
  z: undo,
  Backspace: removeMark,
  j: () => move("ArrowRight"),
  k: () => move("ArrowLeft"),
};
for (const key of ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]) KEYS[key] = () => move(key);
const NEED_SIGHT = ["r", "w", "u", "t", "e"];

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const openDialog = document.querySelector("dialog[open]");
  if (openDialog && openDialog !== byId("large-dialog")) return;
  if (event.target.matches?.("input, select, textarea")) return;
  if (event.key === "?" && !openDialog) {
    event.preventDefault();
    byId("help-dialog").showModal();
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (!Object.hasOwn(KEYS, key)) return;
  // Keys scroll the table of classes while it has the focus.
  if (event.target.closest?.("#table") && key.startsWith("Arrow")) return;
  if (selected < 0 && key !== "z") return;
  event.preventDefault();
  if (NEED_SIGHT.includes(key) && !isSelectedVisible()) {
    select(selected, { focus: true, scroll: true });
    say("This is the selected image. Press the key again.");
    return;
  }
  KEYS[key]();
});

byId("cards").addEventListener("click", (event) => {
  const card = event.target.closest(".card");
  if (!card) return;
  const index = Number(card.dataset.index);
  const action = event.target.closest("button")?.dataset.action;
  if (index !== selected || !action) {
    if (!event.target.closest(".typing")) select(index, { focus: !action });
  }
  ACTIONS[action]?.();
});
byId("cards").addEventListener("dblclick", (event) => {
  if (event.target.closest(".picture") && !event.target.closest("button")) enlarge();
});

function filter() {
  typing = false;
  say("");
  refresh();
  // The bar stays in sight; the list starts below it.
  const [top] = visibleHeights();
  const offset = byId("cards").getBoundingClientRect().top - top;
  if (offset < 0) window.scrollBy({ top: offset - GAP, behavior: "instant" });
  place = 0;
  select(listed[0]);
}

let searching;
byId("search").addEventListener("input", () => {
  clearTimeout(searching);
  searching = setTimeout(filter, 120);
});
for (const id of ["order", "label", "marked"]) byId(id).addEventListener("change", filter);
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("reset").addEventListener("click", () => {
  byId("filters").reset();
  filter();
});

document.querySelector("thead").addEventListener("click", (event) => {
  const key = event.target.closest("button")?.dataset.key;
  if (!key) return;
  isDescending = key === sortKey ? !isDescending : !["name", "other"].includes(key);
  sortKey = key;
  showClasses();
});
byId("class-rows").addEventListener("click", (event) => {
  const label = event.target.closest("button")?.dataset.label;
  if (label === undefined) return;
  byId("filters").reset();
  byId("label").value = label;
  filter();
  byId("images-title").scrollIntoView();
  select(selected, { focus: true });
});
byId("all-classes").addEventListener("click", () => {
  showsAllClasses = !showsAllClasses;
  showClasses();
  render();
});

byId("export").addEventListener("click", exportMarks);
byId("import").addEventListener("click", () => byId("file").click());
byId("file").addEventListener("change", async () => {
  const [file] = byId("file").files;
  byId("file").value = "";
  if (!file) return;
  try {
    importMarks(decode(new Uint8Array(await file.arrayBuffer())));
  } catch (error) {
    say(`The page can’t read marks from ${file.name}. ${error.message}`);
  }
});
byId("clear").addEventListener("click", () => {
  byId("clear-text").textContent =
    `This removes ${count(marks.size, "mark", "marks")} from this browser. ` +
    "Export them first if you may need them.";
  byId("clear-dialog").returnValue = "";
  byId("clear-dialog").showModal();
});
byId("clear-dialog").addEventListener("close", () => {
  if (byId("clear-dialog").returnValue !== "clear") return;
  const number = marks.size;
  setMarks([...marks.keys()].map((index) => [index, undefined]));
  refresh();
  say(`${count(number, "mark was", "marks were")} cleared. Press Z to undo this.`);
});
byId("help").addEventListener("click", () => byId("help-dialog").showModal());

let isWaiting = false;
let height = window.scrollY;
let slowingDown;

function follow() {
  isWaiting = false;
  isFast = Math.abs(window.scrollY - height) > window.innerHeight / 3;
  height = window.scrollY;
  render();
  clearTimeout(slowingDown);
  if (isFast) slowingDown = setTimeout(stopFollowing, 100);
  else loadImages();
}

function stopFollowing() {
  isFast = false;
  loadImages();
}

window.addEventListener(
  "scroll",
  () => {
    if (!isWaiting) requestAnimationFrame(follow);
    isWaiting = true;
  },
  { passive: true },
);
let width = 0;
new ResizeObserver(() => {
  if (byId("cards").clientWidth === width) return;
  width = byId("cards").clientWidth;
  refresh();
}).observe(byId("cards"));
window.addEventListener("resize", render);

showHeader();
fillLists();
showClasses();
load();
save();
refresh();
