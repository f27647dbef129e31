// Keeps the phone pages usable without a network: their parts as they are, each page as it was seen last.
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
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (url.pathname.startsWith("/static/")) event.respondWith(kept(request));
  else if (request.mode === "navigate" || url.searchParams.has("thumb")) event.respondWith(fresh(request));
});

async function kept(request) {
  return (await caches.match(request, { ignoreVary: true })) || fetch(request);
}

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
    return caches.match("/f/offline", { ignoreVary: true });
  }
}
