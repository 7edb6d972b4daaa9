// The page that waits for a confirmation draws itself anew as soon as there is one.
(() => {
  "use strict";
  const waiting = document.querySelector("[data-events]");
  if (!waiting || !window.EventSource) return;
  const source = new EventSource(waiting.dataset.events);
  source.addEventListener("state", () => {
    source.close();
    window.location.replace(waiting.dataset.next);
  });
  for (const hint of document.querySelectorAll("[data-with-script]")) hint.hidden = false;
})();
