// What pages do better with a script: the palette, keys, the board, suggestions, undo. Without it everything still works.
const $ = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// ---- menus close when one clicks elsewhere or presses Escape
document.addEventListener("click", (event) => {
  for (const open of all("details.menu[open]")) if (!open.contains(event.target)) open.open = false;
  if (location.hash === "#nav" && !event.target.closest("#nav, .burger")) history.replaceState(null, "", location.pathname + location.search), location.hash = "";
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const open of all("details.menu[open]")) { open.open = false; $("summary", open)?.focus(); }
});

// ---- nobody sees without a network what somebody else saw with it: who signs in begins with nothing kept
if (location.pathname === "/sign-in") globalThis.caches?.delete("pages");

for (const button of all("[data-print]")) button.addEventListener("click", () => print());
for (const button of all("[data-back]")) { button.hidden = history.length < 2; button.addEventListener("click", () => history.back()); }

// ---- forms: sent once; empty filters stay out of the address
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method === "get") for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
  if (form.method !== "post") return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "1";
  setTimeout(() => delete form.dataset.sent, 4000);
});
addEventListener("pageshow", () => { for (const form of all("form")) { delete form.dataset.sent; for (const field of form.elements) if (field.name) field.disabled = false; } });

// ---- suggestions for references
const waiting = new Map();
document.addEventListener("input", (event) => {
  const field = event.target;
  if (!field.dataset?.suggest) return;
  clearTimeout(waiting.get(field));
  waiting.set(field, setTimeout(() => suggest(field), 150));
});
document.addEventListener("focusin", (event) => { if (event.target.dataset?.suggest) suggest(event.target); });
async function suggest(field) {
  const answer = await fetch(`${field.dataset.suggest}?q=${encodeURIComponent(field.value)}`);
  if (!answer.ok) return;
  field.list.replaceChildren(...(await answer.json()).items.map((text) => Object.assign(document.createElement("option"), { value: text })));
}

// ---- the palette
const palette = $("#palette"), search = $("form.search");
if (palette && search) {
  const field = $("input", palette), list = $("#palette-list");
  let at = 0, hits = [], asked = 0;
  const open = () => { palette.showModal(); field.value = ""; field.focus(); look(); };
  search.addEventListener("focusin", (event) => { event.preventDefault(); event.target.blur(); if (!palette.open) open(); });
  const look = async () => {
    const mine = ++asked;
    const answer = await fetch(`${search.dataset.palette}?q=${encodeURIComponent(field.value)}`);
    if (mine !== asked || !answer.ok) return;
    hits = (await answer.json()).items;
    at = 0;
    draw();
  };
  const draw = () => {
    let group = "";
    const rows = [];
    hits.forEach((hit, place) => {
      if (hit.group !== group) rows.push(Object.assign(document.createElement("li"), { className: "h", textContent: group = hit.group, role: "presentation" }));
      const row = document.createElement("li");
      row.role = "option"; row.id = `hit-${place}`; row.ariaSelected = String(place === at); row.dataset.place = place;
      const label = Object.assign(document.createElement("span"), { textContent: hit.label });
      const note = Object.assign(document.createElement("span"), { className: "sm muted", textContent: hit.note || "" });
      row.append(label, note);
      rows.push(row);
    });
    list.replaceChildren(...rows);
    field.setAttribute("aria-activedescendant", hits.length ? `hit-${at}` : "");
    $("[aria-selected=true]", list)?.scrollIntoView({ block: "nearest" });
  };
  const go = () => { if (hits[at]) location.href = hits[at].url; else search.elements.q.value = field.value, search.submit(); };
  field.addEventListener("input", look);
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") at = Math.min(at + 1, hits.length - 1);
    else if (event.key === "ArrowUp") at = Math.max(at - 1, 0);
    else if (event.key === "Enter") return event.preventDefault(), go();
    else return;
    event.preventDefault();
    draw();
  });
  list.addEventListener("click", (event) => { const row = event.target.closest("[data-place]"); if (row) at = +row.dataset.place, go(); });
  palette.addEventListener("click", (event) => { if (event.target === palette) palette.close(); });
  addEventListener("keydown", (event) => { if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); open(); } });
}

// ---- keys; each has a visible twin
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
  const key = event.key.toLowerCase(), items = all(".item");
  const now = items.findIndex((item) => item.classList.contains("at") || item.hasAttribute("aria-current"));
  const move = (step) => {
    const next = items[Math.max(0, Math.min(items.length - 1, now + step))];
    if (!next) return;
    items.forEach((item) => item.classList.remove("at"));
    next.classList.add("at");
    $(".ttl", next).focus();
  };
  const press = (selector) => $(selector)?.click();
  const acts = { j: () => move(1), k: () => move(-1), n: () => press("#new"), e: () => press("#edit"), a: () => press("[data-first]"), x: () => $(".pick input", items[now] ?? document)?.click(), z: () => press("#undo"), "?": () => $("#keys")?.showModal() };
  if (acts[key]) { event.preventDefault(); acts[key](); }
});

// ---- toasts go when what they offer is over
const toasts = $("#toasts");
function pass(box) { setTimeout(() => box.remove(), box.dataset.seconds * 1000); }
for (const box of all(".toast")) pass(box);

// ---- choosing many: a click, a click with Shift for all between, or painting over the boxes
const bulk = $("#bulk");
if (bulk) {
  const boxes = () => all(".item .pick input").filter((box) => !box.closest("[hidden]"));
  let last = null, painting = null;
  const tell = () => { $(".picked", bulk).textContent = bulk.dataset.said.replace("{n}", boxes().filter((box) => box.checked).length); };
  document.addEventListener("click", (event) => {
    const box = event.target.closest?.(".item .pick input");
    if (!box) return;
    if (event.shiftKey && last) { const [from, to] = [boxes().indexOf(last), boxes().indexOf(box)].sort((a, b) => a - b); for (const each of boxes().slice(from, to + 1)) each.checked = box.checked; }
    last = box;
  });
  document.addEventListener("pointerdown", (event) => { const pick = event.target.closest(".item .pick"); painting = pick && { on: !$("input", pick).checked, from: pick }; });
  document.addEventListener("pointerover", (event) => {
    const pick = event.target.closest?.(".item .pick");
    if (!painting || !event.buttons || !pick || pick === painting.from) return;
    for (const each of [painting.from, pick]) $("input", each).checked = painting.on;
    painting.moved = true;
    tell();
  });
  document.addEventListener("pointerup", () => { setTimeout(() => (painting = null)); });
  // A drag that began on a box ends as a click on the item that both have in common: it must not open anything.
  document.addEventListener("click", (event) => { if (painting?.moved) event.preventDefault(); }, true);
  document.addEventListener("change", (event) => { if (event.target.matches(".pick input")) tell(); });
}

// ---- the board: dragged to a permitted state
const board = $("[data-board]");
if (board) {
  let dragged = null;
  const columns = all(".col", board);
  board.addEventListener("dragstart", (event) => {
    dragged = event.target.closest(".ticket");
    if (!dragged) return;
    event.dataTransfer.effectAllowed = "move";
    for (const column of columns) column.classList.toggle("may", dragged.dataset.state in JSON.parse(column.dataset.reached));
  });
  board.addEventListener("dragend", () => { dragged = null; columns.forEach((column) => column.classList.remove("may", "over")); });
  for (const column of columns) {
    column.addEventListener("dragover", (event) => { if (column.classList.contains("may")) { event.preventDefault(); column.classList.add("over"); } });
    column.addEventListener("dragleave", () => column.classList.remove("over"));
    column.addEventListener("drop", (event) => {
      event.preventDefault();
      const action = JSON.parse(column.dataset.reached)[dragged.dataset.state], form = $("#board-form");
      form.action = `${location.pathname}/${dragged.dataset.id}/actions/${action}`;
      form.submit();
    });
  }
}

// ---- the bell: how many are new, told by the server every few seconds
const bell = $("[data-bell]");
if (bell) {
  const source = new EventSource(bell.dataset.bell), count = $(".count", bell);
  source.addEventListener("notifications", (event) => {
    const { unseen } = JSON.parse(event.data);
    count.textContent = unseen > 99 ? "99+" : unseen;
    count.hidden = !unseen;
  });
  addEventListener("pagehide", () => source.close());
}

// ---- photos are sent as soon as they are chosen
for (const field of all("[data-upload]")) {
  $("button", field.form)?.setAttribute("hidden", "");
  field.addEventListener("change", () => field.form.requestSubmit());
}

// ---- lines of a form: one more
for (const lines of all("[data-lines]")) {
  const more = Object.assign(document.createElement("button"), { type: "button", className: "link", textContent: lines.dataset.lines });
  more.addEventListener("click", () => {
    const rows = all(".line", lines), next = rows.at(-1).cloneNode(true);
    const move = (text) => text.replace(`.${rows.length - 1}.`, `.${rows.length}.`);
    for (const field of all("[name]", next)) { field.name = move(field.name); field.value = ""; field.id = move(field.id); field.required = false; }
    for (const label of all("label", next)) label.htmlFor = move(label.htmlFor);
    rows.at(-1).after(next);
    $("[name]", next).focus();
  });
  lines.append(more);
}
