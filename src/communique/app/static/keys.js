"use strict";
// Press the element whose attribute aria-keyshortcuts names the key. Text fields keep their keys, except Escape and Ctrl+Enter.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("textarea, select, input:not([type=checkbox]):not([type=radio])");
  if (typing) {
    if (event.key === "Escape") typing.blur();
    if (!(event.key === "Enter" && (event.ctrlKey || event.metaKey))) return;
  } else if (event.ctrlKey || event.metaKey || event.altKey) {
    return;
  }
  // Enter on a link or a button that has the focus keeps its meaning.
  if (event.key === "Enter" && !typing && event.target.closest("a, button, summary")) return;
  const wanted = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const element = document.querySelector(`[aria-keyshortcuts="${CSS.escape(wanted)}"]`);
  if (!element || event.repeat) return;
  event.preventDefault();
  if (element.matches("textarea, select, input:not([type=checkbox]):not([type=radio])")) element.focus();
  else element.click();
});

// "none" and the labels exclude each other: data-group names the exclusive choice, data-without those that it excludes.
document.addEventListener("change", (event) => {
  const changed = event.target;
  if (!changed.checked) return;
  if (changed.dataset.group) {
    for (const other of document.querySelectorAll(`[data-without="${CSS.escape(changed.dataset.group)}"]`)) other.checked = false;
  } else if (changed.dataset.without) {
    for (const other of document.querySelectorAll(`[data-group="${CSS.escape(changed.dataset.without)}"]`)) other.checked = false;
  }
});

// A message about an earlier request must not stay next to a later answer.
document.addEventListener("htmx:before:request", () => document.getElementById("messages")?.replaceChildren());
