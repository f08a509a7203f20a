// Keeps the changing parts of the page current: each element with a data-source asks for itself every data-seconds. The
// server says 304 where nothing changed.
"use strict";
const LIMIT_MS = 10000;
const link = document.getElementById("link");

function keepCurrent(part) {
  const periodMs = 1000 * Number(part.dataset.seconds);
  let etag = "";

  async function refresh() {
    try {
      const headers = etag ? { "If-None-Match": etag } : {};
      const signal = AbortSignal.timeout(LIMIT_MS);
      const answer = await fetch(part.dataset.source, { headers, cache: "no-store", signal });
      if (answer.status === 200) {
        const html = await answer.text();
        const scrolled = [...part.querySelectorAll(".scroll")].map((box) => box.scrollTop);
        part.innerHTML = html;
        [...part.querySelectorAll(".scroll")].forEach((box, n) => { box.scrollTop = scrolled[n] || 0; });
        etag = answer.headers.get("ETag") || "";
      }
      link.hidden = answer.ok || answer.status === 304;
    } catch {
      link.hidden = false;
    }
    setTimeout(refresh, periodMs);
  }

  setTimeout(refresh, periodMs);
}

document.querySelectorAll("[data-source]").forEach(keepCurrent);
