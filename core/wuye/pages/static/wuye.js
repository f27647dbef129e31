// What pages do better with a script: the palette, keys, the board, suggestions, editing in place. Without it everything still works.
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
for (const button of all("[data-copy]")) {
  const field = document.getElementById(button.dataset.copy);
  button.hidden = !navigator.clipboard;
  field.addEventListener("focus", () => field.select());
  button.addEventListener("click", () => navigator.clipboard.writeText(field.value).then(() => { $("span", button).textContent = button.dataset.copied; }));
}
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
  for (const choice of all("[type=radio]", field.closest(".field"))) choice.checked = false;
  clearTimeout(waiting.get(field));
  waiting.set(field, setTimeout(() => suggest(field), 150));
});
document.addEventListener("focusin", (event) => { if (event.target.dataset?.suggest) suggest(event.target); });
async function suggest(field) {
  const answer = await fetch(`${field.dataset.suggest}?q=${encodeURIComponent(field.value)}`);
  if (!answer.ok) return;
  field.list.replaceChildren(...(await answer.json()).items.map((text) => Object.assign(document.createElement("option"), { value: text })));
}

// ---- the palette; no modal dialog, which would make the rest inert, and so have all of a long page styled and drawn anew
const palette = $("#palette"), search = $("form.search");
if (palette && search) {
  const field = $("input", palette), list = $("#palette-list");
  let at = 0, hits = [], asked = 0;
  const open = () => { if (palette.matches(":popover-open")) return; field.value = ""; palette.showPopover(); look(); };
  search.addEventListener("focusin", (event) => setTimeout(() => { event.target.blur(); open(); }));
  search.addEventListener("mousedown", (event) => event.preventDefault());  // the release of a button that opened it would close it
  search.addEventListener("click", open);
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
    else if (event.key === "Tab") return palette.hidePopover();
    else return;
    event.preventDefault();
    draw();
  });
  list.addEventListener("click", (event) => { const row = event.target.closest("[data-place]"); if (row) at = +row.dataset.place, go(); });
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
  const acts = { j: () => move(1), k: () => move(-1), n: () => press("#new"), e: () => press("#edit"), a: () => press("[data-first]"), x: () => $(".pick input", items[now] ?? document)?.click(), z: () => press("#undo"), "?": () => $("#keys")?.showPopover() };
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

// ---- fields are changed where they stand: a double click or the pen opens the form that the pen leads to, Escape closes it
const opened = new WeakMap(); // the cell → what stood in it, and what its form said when it was drawn
const said = (form) => new URLSearchParams(new FormData(form)).toString();
const parsed = (text) => new DOMParser().parseFromString(text, "text/html").body;
async function openCell(cell) {
  if ($("form", cell)) return;
  const pen = $(".pen", cell), answer = await fetch(pen.href, { headers: { "X-Part": cell.dataset.part } }).catch(() => null);
  if (!answer?.ok) return location.assign(pen.href);
  opened.set(cell, { stood: [...cell.childNodes] });
  drawCell(cell, await answer.text(), true);
}
function drawCell(cell, text, focus) {
  const form = parsed(text).firstElementChild;
  cell.replaceChildren(form);
  opened.get(cell).said = said(form);
  if (focus) { const field = $("select, textarea, input:not([type=hidden], [type=radio])", form); field.focus(); field.select?.(); form.scrollIntoView({ block: "nearest", inline: "nearest" }); }
}
function closeCell(cell, focus) {
  cell.replaceChildren(...opened.get(cell).stood);
  opened.delete(cell);
  if (cell.closest("table")) stop($(".pen", cell));
  if (focus) $(".pen", cell).focus();
}
async function saveCell(form, focus) {
  const cell = form.parentElement;
  if (form.dataset.busy) return;
  form.dataset.busy = "1";
  const next = Object.assign(document.createElement("input"), { type: "hidden", name: "next", value: location.pathname + location.search });
  form.append(next);
  const answer = await fetch(form.getAttribute("action"), { method: "POST", body: said(form), keepalive: true, headers: { "X-Part": cell.dataset.part, "Content-Type": "application/x-www-form-urlencoded" } }).catch(() => null);
  if (answer && ![200, 409, 422].includes(answer.status)) return form.submit(); // it changed meanwhile, or worse: a page says so
  if (!answer) {
    delete form.dataset.busy;
    next.remove();
    if (!$(".error", form)) form.append(Object.assign(document.createElement("p"), { className: "error", role: "alert", textContent: form.dataset.failed }));
    return;
  }
  const text = await answer.text();
  if (!answer.ok) return drawCell(cell, text, focus);
  const made = parsed(text).firstElementChild, box = $(".toast", made);
  opened.get(cell).stood = [...made.firstElementChild.childNodes];
  for (const version of all("#detail [name=_version]")) if (cell.closest("#detail")) version.value = made.dataset.version;
  closeCell(cell, focus);
  if (box) { toasts.replaceChildren(box); pass(box); }
}
document.addEventListener("click", (event) => {
  const pen = event.target.closest(".pen");
  if (!pen || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  openCell(pen.parentElement);
});
document.addEventListener("dblclick", (event) => {
  const cell = event.target.closest("[data-part]");
  if (cell && !event.target.closest("a, form")) openCell(cell);
});
document.addEventListener("submit", (event) => {
  if (!event.target.matches(".cell-form")) return;
  event.preventDefault();
  saveCell(event.target, true);
});
document.addEventListener("keydown", (event) => {
  const form = event.target.closest(".cell-form");
  if (!form || event.isComposing) return;
  if (event.key === "Escape") { event.stopPropagation(); form.dataset.busy = "1"; closeCell(form.parentElement, true); }
  if (event.key === "Enter" && (!event.target.matches("textarea") || event.ctrlKey || event.metaKey)) { event.preventDefault(); saveCell(form, true); }
});
document.addEventListener("focusout", (event) => {
  const form = event.target.closest?.(".cell-form");
  if (!form || form.dataset.busy || !document.hasFocus() || form.contains(event.relatedTarget)) return;
  if (said(form) !== opened.get(form.parentElement).said) saveCell(form, false);
  else if (!$(".error", form)) { form.dataset.busy = "1"; closeCell(form.parentElement, false); }
});
// In a table the pens are one stop of the Tab key; the arrows go from one to the next.
function stop(pen) { for (const each of all("table .pen")) each.tabIndex = each === pen ? 0 : -1; }
stop($("table .pen"));
document.addEventListener("focusin", (event) => { if (event.target.matches("table .pen")) stop(event.target); });
document.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!step || !event.target.matches("table .pen")) return;
  const cell = event.target.closest("td"), row = cell.parentElement;
  const rows = step[1] ? row.parentElement.rows[row.sectionRowIndex + step[1]] : row;
  const line = all(".pen", row).indexOf(event.target), next = all(".pen", rows ?? row)[step[1] ? line : line + step[0]];
  if (next) { event.preventDefault(); next.focus(); }
});

// ---- the columns of a table: put into order by their arrows, or dragged
for (const list of all("[data-order]")) {
  const tell = (item) => {
    const shown = all("li", list).filter((each) => $("input", each).checked), words = { column: $("label span", item).textContent, n: shown.indexOf(item) + 1, all: shown.length };
    $("[role=status]", list.parentElement).textContent = list.dataset.order.replace(/{(\w+)}/g, (_all, name) => words[name]);
  };
  list.addEventListener("click", (event) => {
    const arrow = event.target.closest("[data-step]");
    if (!arrow) return;
    event.preventDefault();
    const item = arrow.closest("li"), up = arrow.dataset.step < 0, other = up ? item.previousElementSibling : item.nextElementSibling;
    other?.[up ? "before" : "after"](item);
    arrow.focus();
    tell(item);
  });
  let dragged = null;
  for (const item of all("li", list)) item.draggable = true;
  list.addEventListener("dragstart", (event) => { dragged = event.target.closest("li"); event.dataTransfer.effectAllowed = "move"; });
  list.addEventListener("dragover", (event) => {
    const over = event.target.closest("li");
    if (!dragged || !over) return;
    event.preventDefault();
    const box = over.getBoundingClientRect();
    if (over !== dragged) over[event.clientY < box.top + box.height / 2 ? "before" : "after"](dragged);
  });
  list.addEventListener("drop", (event) => event.preventDefault());
  list.addEventListener("dragend", () => { if (dragged) tell(dragged); dragged = null; });
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
function ring({ unseen }) {
  const count = $(".count", bell);
  count.textContent = unseen > 99 ? "99+" : unseen;
  count.hidden = !unseen;
}
if (bell) {
  const address = bell.dataset.bell, tabs = new BroadcastChannel(`bell ${address}`);
  let hangUp = null;
  tabs.addEventListener("message", (event) => ring(event.data));

  // Of the tabs that are looked at one asks, and tells the others; where there are no locks (no HTTPS), each asks for itself.
  const ask = () => new Promise((done) => {
    const source = new EventSource(address);
    source.addEventListener("notifications", (event) => {
      const news = JSON.parse(event.data);
      ring(news);
      tabs.postMessage(news);
    });
    hangUp.signal.addEventListener("abort", () => done(source.close()));
  });
  const listen = () => {
    hangUp = new AbortController();
    const { signal } = hangUp;
    if (!navigator.locks) return void ask();
    navigator.locks.request(`bell ${address}`, { signal }, ask).catch((error) => { if (!signal.aborted) throw error; });
  };
  const attend = () => {
    if (document.hidden) { hangUp?.abort(); hangUp = null; } else if (!hangUp) listen();
  };
  document.addEventListener("visibilitychange", attend);
  addEventListener("pagehide", () => { hangUp?.abort(); hangUp = null; });
  addEventListener("pageshow", attend);
}

// ---- who opens a thing has seen what they were told about it; in a tab behind others, once it comes to the front
const told = $("[data-unseen]");
async function saw() {
  const headers = { "Content-Type": "application/json", "X-Wuye-Token": $("[name=_token]").value };
  const answer = await fetch(told.dataset.seen, { method: "POST", headers, body: JSON.stringify({ record: told.dataset.unseen }) }).catch(() => null);  // without a network: another time
  if (bell && answer?.ok) ring(await answer.json());
}
if (told && document.hidden) document.addEventListener("visibilitychange", saw, { once: true });
else if (told) saw();

// ---- photos are shown as soon as they are chosen
const showPhotos = (field) => {
  const place = $("span", field.closest(".photo"));
  place.dataset.empty ??= place.textContent;
  const pictures = [...field.files].map((file) => Object.assign(document.createElement("img"), { src: URL.createObjectURL(file), alt: "", onload: (event) => URL.revokeObjectURL(event.target.src), onerror: (event) => event.target.remove() }));
  place.replaceChildren(...pictures, place.dataset.empty + (pictures.length ? ` (${pictures.length})` : ""));
  field.closest(".photo").classList.toggle("taken-now", Boolean(pictures.length));
};
for (const field of all(".photo [type=file]:not([data-upload])")) {
  field.addEventListener("change", () => showPhotos(field));
  field.form.addEventListener("reset", () => setTimeout(showPhotos, 0, field));
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
