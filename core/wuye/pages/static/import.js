// Work that goes on in the background: its page is asked again until it has ended, and only what changed is shown.
const wait = 800;

async function follow(part) {
  const answer = await fetch(part.dataset.progress, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer?.ok) return void setTimeout(follow, 4 * wait, part);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const next = page.querySelector("[data-progress]");
  if (!next) return void location.replace(part.dataset.progress);
  for (const [place, old] of part.querySelectorAll("[data-changes]").entries()) {
    const fresh = next.querySelectorAll("[data-changes]")[place];
    if (fresh && fresh.outerHTML !== old.outerHTML) old.replaceWith(fresh);
  }
  setTimeout(follow, wait, part);
}

for (const part of document.querySelectorAll("[data-progress]")) setTimeout(follow, wait, part);
