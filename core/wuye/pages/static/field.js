// The phone pages: forms that wait for a network, steps that go on without one, the camera, the signature.
import { add, entries, flush, forget, mark, remove } from "/static/outbox.js";

const $ = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const made = (tag, values = {}, ...inside) => { const node = Object.assign(document.createElement(tag), values); node.append(...inside); return node; };
const net = $("#net"), { user, proof } = net.dataset;
const OLD = 15 * 60 * 1000;  // a kept page that is older is fetched again, even if its job is the same

// ---- the banner: whether there is a network, what waits, what was refused
let stopped = "";
async function tell() {
  const kept = await entries(user), failed = kept.filter((entry) => entry.failed).length, waiting = kept.length - failed;
  const said = [];
  if (!navigator.onLine || stopped === "away") said.push(net.dataset.away);
  if (stopped === "expired") said.push(net.dataset.expired);
  if (waiting) said.push(net.dataset.waiting.replace("{n}", waiting));
  if (failed) said.push(net.dataset.failed.replace("{n}", failed));
  net.hidden = !said.length;
  net.classList.toggle("late", Boolean(failed) || stopped === "expired");
  net.classList.toggle("near", !failed);
  net.replaceChildren(...said.map((text) => made("span", { textContent: text })));
  if (kept.length && !$("#outbox")) net.append(made("a", { href: net.dataset.outbox, className: "link", textContent: net.dataset.look }));
  for (const count of all("[data-waiting].n")) { count.textContent = kept.length; count.hidden = !kept.length; }
  for (const job of all("[data-keep] > li")) {
    $(".kept", job)?.remove();
    const mine = kept.filter((entry) => entry.url === $(".ttl", job).pathname).length;
    if (mine) job.append(made("p", { className: "kept sm", textContent: net.dataset.waiting.replace("{n}", mine) }));
  }
  draw(kept);
}

// A network that has just come back may not answer yet: asked again after 1, 2, 4 … at most 30 seconds.
let pause = 1000;
async function send() {
  const answer = await flush(user, proof);
  stopped = answer.stopped;
  pause = stopped === "away" ? Math.min(pause * 2, 30000) : 1000;
  if (stopped === "away" && navigator.onLine) setTimeout(again, pause / 2);
  if (stopped === "away") later();
  await tell();
  return answer;
}
async function again() {
  if (stopped !== "away" || !navigator.onLine) return;
  const { sent } = await send();
  if (sent.size && $("[data-job], [data-keep]")) location.reload();
}

// A browser that can sends even when this page has been closed.
const later = async () => { try { await (await navigator.serviceWorker?.ready)?.sync?.register("outbox"); } catch { /* not allowed here: sent by the next page that is opened */ } };
navigator.serviceWorker?.addEventListener("message", () => ($("[data-job], [data-keep]") ? location.reload() : tell()));

// ---- forms: kept first, then sent; what the server refuses at once stays in the form
const key = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("[data-outbox]")) return;
  event.preventDefault();
  if (form.dataset.busy || !form.reportValidity()) return;
  form.dataset.busy = "1";
  const fields = [...new FormData(form, event.submitter)].filter(([name, value]) => !["_token", "_key"].includes(name) && !(value instanceof File && !value.size)).map(([name, value]) => (value instanceof File ? [name, value, value.name] : [name, value]));
  for (const canvas of all("canvas[data-marked]", form)) fields.push(["photo_signature", await new Promise((done) => canvas.toBlob(done)), "signature.png"]);
  fields.push(["_key", key()]);
  const entry = { user, proof, url: new URL(form.getAttribute("action") || location.pathname, location).pathname, fields, label: form.dataset.label, step: form.dataset.step || "", title: $(".headline b").textContent, at: Date.now() };
  entry.id = await add(entry);
  const { sent } = await send();
  delete form.dataset.busy;
  delete form.dataset.sent;
  if (sent.has(entry.id)) return location.assign(sent.get(entry.id));
  const mine = (await entries(user)).find((each) => each.id === entry.id);
  if (!mine) return location.reload();  // another page or the worker has sent it meanwhile
  if (mine?.failed) {
    await remove(entry.id);
    await tell();
    $(".refused", form)?.remove();
    form.prepend(made("p", { className: "error refused", role: "alert", textContent: mine.failed }));
    return form.scrollIntoView({ block: "center" });
  }
  form.reset();
  if (!$(`[data-entry="${entry.id}"]`)) note(form, entry);
});

// ---- without a network the steps go on: what was entered is noted, the next step appears
function note(form, entry) {
  const text = made("p", { className: "kept" }, made("b", { textContent: `${entry.label} ` }), made("span", { className: "sm", textContent: net.dataset.kept }));
  text.dataset.entry = entry.id;
  form.before(text);
  if (!entry.step) return;
  const chain = form.closest("[data-chain]");
  form.hidden = true;
  const tag = $("[data-now] .tag");
  if (tag) { tag.className = `tag ${form.dataset.shape}`; tag.textContent = form.dataset.state; }
  if (!chain) return $("[data-chain]")?.setAttribute("hidden", "");
  let next = form.nextElementSibling;
  if (next) next.hidden = false;
}

async function resume() {
  if (!$("[data-job]")) return;
  for (const entry of await entries(user)) {
    if (entry.url !== location.pathname || entry.failed || $(`[data-entry="${entry.id}"]`)) continue;
    const form = entry.step ? $(`[data-chain] form[data-step="${entry.step}"]:not([hidden])`) : all("form[data-outbox]:not([data-step])").find((each) => each.dataset.label === entry.label);
    if (form) note(form, entry);
  }
}

// ---- the outbox page
function draw(kept) {
  const list = $("#outbox");
  if (!list) return;
  $("#outbox-empty").hidden = Boolean(kept.length);
  list.replaceChildren(...kept.map((entry) => {
    const words = list.dataset, when = new Date(entry.at).toLocaleString(document.documentElement.lang);
    const row = made("li", { className: "card job" }, made("div", { className: "row sp" }, made("span", { className: `tag ${entry.failed ? "bad" : "wait"}`, textContent: entry.failed ? words.refused : words.waits }), made("span", { className: "sm muted", textContent: when })));
    row.append(made("b", { textContent: entry.label }), made("p", { className: "t2", textContent: entry.title }));
    if (entry.failed) row.append(made("p", { className: "error", textContent: entry.failed }));
    const again = made("button", { className: "btn", type: "button", textContent: words.again }), drop = made("button", { className: "btn", type: "button", textContent: words.drop });
    again.addEventListener("click", async () => { await mark(entry.id, ""); await send(); });
    drop.addEventListener("click", async () => { await remove(entry.id); await tell(); });
    row.append(made("div", { className: "row wrap" }, made("a", { className: "btn", href: entry.url, textContent: words.open }), again, drop));
    return row;
  }));
}

// ---- signing out leaves nothing behind
$("[data-leave]")?.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.dataset.left) return;
  event.preventDefault();
  if ((await entries(user)).length && !form.dataset.warned) {
    form.dataset.warned = "1";
    delete form.dataset.sent;
    return form.prepend(made("p", { className: "error", role: "alert", textContent: form.dataset.leave }));
  }
  await forget();
  await caches.delete("pages");
  form.dataset.left = "1";
  form.submit();
});

// ---- the signature: a field to draw in, where there was one to choose a file
for (const field of all("[data-signature]")) {
  const canvas = made("canvas", { width: 640, height: 240, className: "sign" }), pen = canvas.getContext("2d");
  const clear = made("button", { type: "button", className: "link tall", textContent: field.dataset.clear });
  const wipe = () => { pen.fillStyle = "#fff"; pen.fillRect(0, 0, canvas.width, canvas.height); delete canvas.dataset.marked; };
  wipe();
  Object.assign(pen, { lineWidth: 4, lineCap: "round", strokeStyle: "#18212B" });
  const at = (event) => { const box = canvas.getBoundingClientRect(); return [(event.clientX - box.left) * canvas.width / box.width, (event.clientY - box.top) * canvas.height / box.height]; };
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); pen.beginPath(); pen.moveTo(...at(event)); canvas.dataset.marked = "1"; });
  canvas.addEventListener("pointermove", (event) => { if (event.buttons) { pen.lineTo(...at(event)); pen.stroke(); } });
  clear.addEventListener("click", wipe);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", $(`label[for="${field.id}"]`).textContent);
  field.hidden = true;
  field.after(canvas, clear);
}

// ---- the camera reads codes where the browser can
const view = $("[data-scan]");
if (view && "BarcodeDetector" in window && navigator.mediaDevices) {
  const video = $("video", view), said = $("[data-said]", view), detector = new BarcodeDetector({ formats: ["qr_code"] });
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    await video.play();
    view.hidden = false;
    said.textContent = said.dataset.said;
    const look = async () => {
      const [found] = await detector.detect(video).catch(() => []);
      if (!found) return setTimeout(look, 200);
      $("#code").value = found.rawValue;
      $("#code").form.requestSubmit();
    };
    look();
  } catch { view.hidden = true; }  // no camera, or not allowed: the photo and the number are still there
}

// ---- kept for a time without a network: this page, the four tabs, every job that is listed
async function keep() {
  if (!("serviceWorker" in navigator)) return;
  await navigator.serviceWorker.register("/sw.js", { scope: "/f" });
  const as = [user, document.documentElement.lang, document.documentElement.dataset.theme].join();
  if (localStorage.kept !== as) { await caches.delete("pages"); localStorage.kept = as; }
  if (!navigator.onLine) return;
  const cache = await caches.open("pages");
  const same = (answer, version) => answer && Date.now() - Date.parse(answer.headers.get("Date")) < OLD && answer.headers.get("X-Version") === version;
  const get = async (address, version = null) => {
    if (address !== location.pathname && same(await cache.match(address, { ignoreVary: true }), version)) return;
    const answer = await fetch(address).catch(() => null);
    if (!answer?.ok || answer.redirected) return;
    await cache.put(address, answer.clone());
    return answer;
  };
  for (const address of [location.pathname, ...all(".tabs a").map((link) => link.pathname), net.dataset.outbox]) await get(address);
  for (const job of all("[data-keep] > li")) {
    const answer = await get($(".ttl", job).pathname, job.dataset.version);
    const thumbs = answer ? (await answer.text()).matchAll(/src="([^"]+[?]thumb=1)"/g) : [];
    for (const [, address] of thumbs) if (!(await cache.match(address, { ignoreVary: true }))) await cache.add(address).catch(() => null);
  }
  await navigator.serviceWorker.ready;  // what is kept is of use once the worker can give it out
  document.documentElement.dataset.kept = "1";
}

// ---- on the home screen
addEventListener("beforeinstallprompt", (event) => {
  const button = $("[data-install]");
  if (!button) return;
  event.preventDefault();
  button.hidden = false;
  button.addEventListener("click", async () => { await event.prompt(); button.hidden = true; }, { once: true });
});

addEventListener("online", () => { stopped = "away"; again(); });
addEventListener("offline", tell);
await resume();
await tell();
stopped = "away";
await again();
keep();
