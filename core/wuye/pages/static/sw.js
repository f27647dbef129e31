// Keeps the phone pages usable without a network: their parts as they are, each page as it was seen last. The server puts
// the list of parts (SHELL) and the outbox (outbox.js) before this text.
const PARTS = `parts-${SHELL[0].split("/")[2]}`, PAGES = "pages";

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(PARTS).then((cache) => cache.addAll(SHELL)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const old = async () => { for (const name of await caches.keys()) if (name.startsWith("parts-") && name !== PARTS) await caches.delete(name); };
  event.waitUntil(old().then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event, url = new URL(request.url);
  if (url.origin !== location.origin) return;
  if (request.method !== "GET") { if (request.mode === "navigate") event.respondWith(fetch(request).catch(away)); return; }
  if (url.pathname.startsWith("/static/")) event.respondWith(kept(request));
  else if (request.mode === "navigate" || url.searchParams.has("thumb")) event.respondWith(fresh(request));
});

async function kept(request) {
  const found = await caches.match(request, { ignoreVary: true });
  if (found) return found;
  try { return await fetch(request); } catch (error) {
    // A page that was kept before an update names its parts by their old addresses.
    const name = request.url.split("/").at(-1), same = SHELL.find((address) => address.endsWith(`/${name}`));
    if (!same) throw error;
    return caches.match(same, { ignoreVary: true });
  }
}

const away = () => caches.match("/f/offline", { ignoreVary: true });

async function fresh(request) {
  try {
    const answer = await fetch(request);
    // Only what this address itself answered is kept: never the sign-in that it may have led to.
    if (answer.ok && !answer.redirected) { const cache = await caches.open(PAGES); await cache.put(request, answer.clone()); }
    return answer;
  } catch (error) {
    const found = (await caches.match(request, { ignoreVary: true })) || (await caches.match(request, { ignoreVary: true, ignoreSearch: true }));
    if (found) return found;
    if (request.mode !== "navigate") throw error;
    return away();
  }
}

// A browser that can sends what waits as soon as there is a network, even if no page is open any more; it asks again
// later if this fails.
self.addEventListener("sync", (event) => { if (event.tag === "outbox") event.waitUntil(deliver()); });

async function deliver() {
  let left = false;
  for (const [user, proof] of await senders()) {
    const { sent, stopped } = await flush(user, proof);
    left ||= stopped === "away";
    if (sent.size) for (const page of await self.clients.matchAll()) page.postMessage("sent");
  }
  if (left) throw new Error("there is no network yet");
}
