// Makes pages livelier; each of them does its work without this file, too.
"use strict";

document.documentElement.classList.add("js");

// Times: relative, kept true while the page stays open. The server writes them in the same words.
const UNITS = [[86400, "day"], [3600, "h"], [60, "min"], [1, "s"]];

function relative(time, now) {
  const seconds = Math.floor(Math.abs(now - time) / 1000);
  if (seconds < 1 || seconds >= 30 * 86400) return null;
  const [size, name] = UNITS.find(([unit]) => seconds >= unit);
  const count = Math.floor(seconds / size);
  const words = `${count} ${name}${name === "day" && count > 1 ? "s" : ""}`;
  return time > now ? `in ${words}` : `${words} ago`;
}

function refreshTimes() {
  for (const element of document.querySelectorAll("time")) {
    const words = relative(Date.parse(element.dateTime), Date.now());
    if (words && element.textContent !== words) element.textContent = words;
  }
}

// A page of the operator's product may show this one in a frame.
const inFrame = window.top !== window;

// A portal link: its secret part goes into the form, and out of the address bar and the history.
const link = document.getElementById("link");
if (link && location.hash.length > 1) {
  link.value = location.hash.slice(1);
  document.getElementById("link-field").hidden = true;
  history.replaceState(null, "", location.pathname + location.search);
  if (inFrame) link.form.requestSubmit();
}

// Copying: the clipboard is there in secure pages only, so an older way stands behind it.
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

function announce(words) {
  const place = document.getElementById("announcements");
  if (place) place.textContent = words;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.matches(".copy")) {
    const text = button.dataset.copy ?? button.nextElementSibling.textContent;
    await copy(text);
    button.firstElementChild.textContent = "Copied";
    announce("Copied");
    setTimeout(() => { button.firstElementChild.textContent = "Copy"; }, 1500);
  } else if (button.dataset.generate) {
    event.preventDefault();
    const bytes = crypto.getRandomValues(new Uint8Array(32));
    const field = document.getElementById(button.dataset.generate);
    field.value = `whsec_${btoa(String.fromCharCode(...bytes))}`;
    announce("A secret was generated");
    field.focus();
    field.select();
  } else if (button.dataset.confirm && !button.dataset.asked) {
    event.preventDefault();
    button.dataset.asked = "yes";
    button.textContent = button.dataset.confirm;
    announce(button.dataset.confirm);
  }
});

// A form that makes something is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-once]")) return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("[data-sent]")) delete form.dataset.sent;
});

// "All events" covers the others.
function coverChoices() {
  const all = document.querySelector("[data-all]");
  if (!all) return;
  for (const choice of document.querySelectorAll(".choice:not(.all)")) choice.classList.toggle("covered", all.checked);
}
document.addEventListener("change", (event) => { if (event.target.matches("[data-all]")) coverChoices(); });

// "Tick all on this page" needs the script, and is shown by it.
const tickAll = document.querySelector("[data-tick-all]");
if (tickAll) {
  tickAll.hidden = false;
  tickAll.addEventListener("change", (event) => {
    for (const one of document.querySelectorAll("#delivery-rows [name=id]")) one.checked = event.target.checked;
  });
}

// Live parts: the server sends them whole. Where the focus is, and what is unfolded, stays.
function describe(element, root) {
  if (!element || !root.contains(element)) return null;
  const same = [...root.querySelectorAll(element.tagName)];
  return { tag: element.tagName, href: element.getAttribute("href"), index: same.indexOf(element) };
}

function refocus(focus, root) {
  if (!focus) return;
  const same = [...root.querySelectorAll(focus.tag)];
  const found = (focus.href && same.find((one) => one.getAttribute("href") === focus.href)) || same[focus.index];
  if (found) found.focus({ preventScroll: true });
}

function replace(root, markup) {
  const known = new Set([...root.querySelectorAll("[data-row]")].map((row) => row.dataset.row));
  const unfolded = new Map([...root.querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
  const ticked = new Set([...root.querySelectorAll("[name=id]:checked")].map((one) => one.value));
  const focus = describe(document.activeElement, root);
  const said = root.querySelector("[data-announce]")?.textContent;
  root.innerHTML = markup;
  for (const row of root.querySelectorAll("[data-row]")) row.classList.toggle("new", !known.has(row.dataset.row));
  for (const one of root.querySelectorAll("[name=id]")) one.checked = ticked.has(one.value);
  for (const [id, open] of unfolded) { const one = document.getElementById(id); if (one) one.open = open; }
  refocus(focus, root);
  const says = root.querySelector("[data-announce]")?.textContent;
  if (says && says !== said) announce(says);
  if (root.id === "delivery-rows") showRows(root.children.length > 0);
  const now = root.querySelector("[data-now]")?.dataset.now;
  if (now) for (const one of document.querySelectorAll("[data-when]")) one.hidden = one.dataset.when !== now;
}

// New rows come by themselves at the top of the page only. Who has scrolled down reads: rows keep their places, what
// they say stays true, and a button tells how many wait.
const AT_TOP_PX = 4;
const held = new Map();

// Who has ticked rows has chosen them: they stay where they are, too.
const isFollowed = (root) => scrollY <= AT_TOP_PX && !root.querySelector("[name=id]:checked");

function update(root, markup) {
  const isList = root.tagName === "TBODY";
  if (!isList || isFollowed(root) || !root.children.length) return replace(root, markup);
  const template = document.createElement("template");
  template.innerHTML = markup;
  const rows = [...template.content.querySelectorAll("[data-row]")];
  const shown = new Map([...root.querySelectorAll("[data-row]")].map((row) => [row.dataset.row, row]));
  for (const row of rows) {
    const old = shown.get(row.dataset.row);
    if (!old || old.contains(document.activeElement) || old.innerHTML === row.innerHTML) continue;
    const isTicked = old.querySelector("[name=id]:checked") !== null;
    old.innerHTML = row.innerHTML;
    if (isTicked) old.querySelector("[name=id]").checked = true;
  }
  const count = rows.filter((row) => !shown.has(row.dataset.row)).length;
  held.set(root, markup);
  showHeld(root, count);
}

function showHeld(root, count) {
  const wrap = root.closest(".table-wrap");
  let button = wrap.previousElementSibling?.matches(".fresh") ? wrap.previousElementSibling : null;
  if (!count) return button?.remove();
  if (!button) {
    button = document.createElement("button");
    button.type = "button";
    button.className = "primary fresh";
    button.addEventListener("click", () => { release(); scrollTo({ top: 0 }); });
    wrap.before(button);
    announce("New rows wait at the top of the list");
  }
  button.textContent = `${count} new`;
}

function release() {
  for (const [root, markup] of held) { replace(root, markup); showHeld(root, 0); }
  held.clear();
  refreshTimes();
}
addEventListener("scroll", () => { if (held.size && [...held.keys()].every(isFollowed)) release(); }, { passive: true });

// A picture's numbers are in a table: the row of the step that is pointed at is read out below it.
function point(event) {
  const picture = event.target.closest?.("svg[data-rows]");
  for (const one of document.querySelectorAll(".pointed")) if (one.ownerSVGElement !== picture) unpoint(one);
  const rows = picture && document.getElementById(picture.dataset.rows)?.rows;
  if (!rows) return;
  const { left, width } = picture.getBoundingClientRect();
  const step = Math.max(0, Math.min(rows.length - 1, Math.floor(((event.clientX - left) / width) * rows.length)));
  const [when, ...values] = [...rows[rows.length - 1 - step].cells].map((cell) => cell.textContent.trim());
  const names = [...rows[0].closest("table").tHead.rows[0].cells].slice(1).map((cell) => cell.textContent.trim());
  picture.parentElement.querySelector(".reading").textContent =
    `${when}: ${names.map((name, place) => `${name} ${values[place]}`).join(", ")}`;
  let mark = picture.querySelector(".pointed");
  if (!mark) {
    mark = document.createElementNS(picture.namespaceURI, "rect");
    mark.setAttribute("class", "pointed");
    picture.prepend(mark);
  }
  const { width: whole, height } = picture.viewBox.baseVal;
  const wide = whole / rows.length;
  for (const [name, value] of Object.entries({ x: step * wide, y: 0, width: wide, height })) mark.setAttribute(name, value);
}

function unpoint(mark) {
  mark.ownerSVGElement.parentElement.querySelector(".reading").textContent = "";
  mark.remove();
}
document.addEventListener("pointermove", point, { passive: true });
document.addEventListener("pointerdown", point, { passive: true });

function showRows(some) {
  document.querySelector("[data-when-rows]")?.toggleAttribute("hidden", !some);
  document.querySelector("[data-when-empty]")?.toggleAttribute("hidden", some);
  document.getElementById("bulk")?.toggleAttribute("hidden", !some);
}

let stream = null;
const REFUSED_MS = 10_000; // a browser itself tries again only where it got no answer

function showConnection(sign, isThere) {
  sign?.toggleAttribute("hidden", !isThere);
  const lost = document.querySelector("[data-lost]");
  if (!lost || lost.hidden === isThere) return;
  lost.hidden = isThere;
  announce(isThere ? "Connected again" : lost.textContent);
}

function follow() {
  const live = document.querySelector("[data-live]");
  if (!live || stream || document.hidden) return;
  const address = new URL(live.dataset.live, location.href);
  if (inFrame) address.searchParams.set("framed", "");
  stream = new EventSource(address);
  const sign = document.querySelector("[data-live-sign]");
  stream.onopen = () => showConnection(sign, true);
  stream.onerror = () => {
    showConnection(sign, false);
    if (stream?.readyState === EventSource.CLOSED) { stream = null; setTimeout(follow, REFUSED_MS); }
  };
  for (const id of ["webhook-rows", "webhook-state", "webhook-pictures", "system-now", "system-hour", "delivery-rows", "delivery-state", "job-state"]) {
    const root = document.getElementById(id);
    if (root) stream.addEventListener(id, (event) => { update(root, event.data); refreshTimes(); });
  }
}

// A browser opens few connections to one host: pages that nobody sees give theirs back.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) { stream?.close(); stream = null; } else { follow(); }
});
window.addEventListener("pagehide", () => { stream?.close(); stream = null; });
window.addEventListener("pageshow", follow);

// On a phone a filter that is not in use is folded.
if (matchMedia("(max-width: 760px)").matches) {
  for (const filter of document.querySelectorAll(".filter:not([data-set])")) filter.open = false;
}

// Shortcuts: two keys go to a page of the menu. They rest in fields, and can be turned off.
const SECOND_KEY_MS = 1500;
let firstKeyAt = -SECOND_KEY_MS;

document.addEventListener("keydown", (event) => {
  const rests = event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !document.body.matches("[data-keys]");
  if (rests || event.target.closest("input, select, textarea, [contenteditable]")) return;
  const isSecond = event.timeStamp - firstKeyAt < SECOND_KEY_MS;
  firstKeyAt = event.key === "g" && !isSecond ? event.timeStamp : -SECOND_KEY_MS;
  const field = event.key === "/" && document.getElementById("find");
  const link = (isSecond || event.key === "?") && document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
  if (field || link) event.preventDefault();
  if (field) field.focus();
  else if (link) link.click();
});

coverChoices();
refreshTimes();
setInterval(refreshTimes, 1000);
follow();
document.querySelector("[data-focus]")?.focus();
