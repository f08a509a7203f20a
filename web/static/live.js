// Asks for the changing part of the page every two seconds; the server says 304 where nothing changed.
"use strict";
const PERIOD_MS = 2000;
const live = document.getElementById("live");
const link = document.getElementById("link");
let etag = "";

async function refresh() {
  try {
    const headers = etag ? { "If-None-Match": etag } : {};
    const answer = await fetch(live.dataset.source, { headers, cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (answer.status === 200) {
      const html = await answer.text();
      const scrolled = [...live.querySelectorAll(".scroll")].map((box) => box.scrollTop);
      live.innerHTML = html;
      [...live.querySelectorAll(".scroll")].forEach((box, n) => { box.scrollTop = scrolled[n] || 0; });
      etag = answer.headers.get("ETag") || "";
    }
    link.hidden = answer.ok || answer.status === 304;
  } catch {
    link.hidden = false;
  }
  setTimeout(refresh, PERIOD_MS);
}

setTimeout(refresh, PERIOD_MS);
