"use strict";
// Everything works without this file; with it, pages stay current and the slider says at once what it would do.

function swap(text, selector) {
  const found = new DOMParser().parseFromString(text, "text/html").querySelectorAll(selector);
  for (const fresh of found) {
    const stale = fresh.id && document.getElementById(fresh.id);
    // Who is about to press or read something there must not have it taken away.
    if (stale && !stale.contains(document.activeElement)) stale.replaceChildren(...fresh.childNodes);
  }
  offerCopies();
}

async function page(address, signal) {
  const answer = await fetch(address, { signal, redirect: "error", headers: { Accept: "text/html" } });
  return answer.text();
}

function keepCurrent() {
  const seconds = Number(document.querySelector("main")?.dataset.refresh);
  if (!seconds) return;
  setInterval(async () => {
    if (document.hidden) return;
    try {
      swap(await page(location.href), "[data-live]");
      document.body.classList.remove("stale");
    } catch {
      document.body.classList.add("stale");
    }
  }, seconds * 1000);
}

function watchSlider() {
  const form = document.querySelector("form[data-slider]");
  if (!form) return;
  const share = form.elements.share;
  let waiting, asking;
  const ask = () => {
    document.getElementById("share-shown").textContent = `${share.value} %`;
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      asking?.abort();
      asking = new AbortController();
      const address = `${location.pathname}?${new URLSearchParams(new FormData(form))}`;
      const reason = document.getElementById("reason")?.value;
      try {
        swap(await page(address, asking.signal), "[data-planned]");
        const field = document.getElementById("reason");
        if (field && reason) field.value = reason;
        history.replaceState(null, "", address);
      } catch (error) {
        if (error.name !== "AbortError") document.body.classList.add("stale");
      }
    }, 200);
  };
  form.addEventListener("input", ask);
}

function offerCopies() {
  for (const button of document.querySelectorAll("[data-copy][hidden]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", () => navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent));
  }
}

// A form that is sent twice would be refused as a change made meanwhile, which only confuses.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (button && event.target.method === "post") setTimeout(() => { button.disabled = true; });
});

keepCurrent();
watchSlider();
offerCopies();
