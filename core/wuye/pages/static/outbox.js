// What was entered without a network: kept in this browser, sent in order when there is one, shown when it was refused.
const NAME = "wuye";

function opened() {
  return new Promise((done, fail) => {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore("outbox", { keyPath: "id", autoIncrement: true });
    asked.onsuccess = () => done(asked.result);
    asked.onerror = () => fail(asked.error);
  });
}

async function ask(mode, question) {
  const database = await opened();
  try {
    const asked = question(database.transaction("outbox", mode).objectStore("outbox"));
    return await new Promise((done, fail) => { asked.onsuccess = () => done(asked.result); asked.onerror = () => fail(asked.error); });
  } finally { database.close(); }
}

export const add = (entry) => ask("readwrite", (store) => store.add(entry));
export const remove = (id) => ask("readwrite", (store) => store.delete(id));
export const forget = () => ask("readwrite", (store) => store.clear());

/** Note why an entry was refused, or that it is to be tried again (""); nothing, if it was thrown away meanwhile. */
export async function mark(id, reason) {
  const database = await opened(), deal = database.transaction("outbox", "readwrite"), store = deal.objectStore("outbox");
  const asked = store.get(id);
  asked.onsuccess = () => { if (asked.result) store.put({ ...asked.result, failed: reason }); };
  await new Promise((done, fail) => { deal.oncomplete = done; deal.onerror = () => fail(deal.error); });
  database.close();
}

/** What one user has entered, the oldest first. */
export async function entries(user) {
  return (await ask("readonly", (store) => store.getAll())).filter((entry) => entry.user === user);
}

/** Who has entered something that waits, each with the address of the proof that sending needs. */
export const senders = async () => new Map((await ask("readonly", (store) => store.getAll())).filter((entry) => !entry.failed).map((entry) => [entry.user, entry.proof]));

/** Send what waits. Returns {id → address that it led to} and why it stopped: "" (all is sent), "away", "expired". */
export function flush(user, proofUrl) {
  const work = async () => {
    const sent = new Map(), stuck = new Set();
    let waiting = await entries(user);
    for (const entry of waiting) if (entry.failed) stuck.add(entry.url);
    waiting = waiting.filter((entry) => !entry.failed && !stuck.has(entry.url));
    if (!waiting.length) return { sent, stopped: "" };
    const proof = await tried(proofUrl, { headers: { Accept: "application/json" } });
    if (!proof) return { sent, stopped: "away" };
    if (!proof.ok) return { sent, stopped: proof.status === 401 ? "expired" : "away" };
    const { token, user: present } = await proof.json();
    if (present !== user) return { sent, stopped: "expired" };
    for (const entry of waiting) {
      if (stuck.has(entry.url)) continue;
      const form = new FormData();
      for (const [name, value, file] of entry.fields) file ? form.append(name, value, file) : form.append(name, value);
      const answer = await tried(entry.url, { method: "POST", body: form, headers: { Accept: "application/json", "X-Wuye-Token": token } });
      if (!answer || answer.status >= 500 || answer.status === 429) return { sent, stopped: "away" };
      if (answer.status === 401) return { sent, stopped: "expired" };
      if (answer.ok) { await remove(entry.id); sent.set(entry.id, answer.url); continue; }
      const problem = await answer.json().catch(() => ({ detail: `HTTP ${answer.status}` }));
      const reason = [problem.detail, ...(problem.errors || []).map((error) => error.reason || error.message)].filter(Boolean).join(" ");
      await mark(entry.id, reason);
      stuck.add(entry.url);
    }
    return { sent, stopped: "" };
  };
  return navigator.locks ? navigator.locks.request("wuye-outbox", work) : work();
}

async function tried(url, options) {
  try { return await fetch(url, options); } catch { return null; }
}
