"use strict";
// Return the element whose attribute aria-keyshortcuts names the key of an event.
function pressed(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  // On a keyboard for another script, or with digits on the upper level, the place of the key decides.
  const place = /^(?:Key|Digit|Numpad)([A-Z0-9])$/.exec(event.code)?.[1].toLowerCase();
  const find = (wanted) => wanted && document.querySelector(`[aria-keyshortcuts="${CSS.escape(wanted)}"]`);
  return find(key) ?? (/^[a-z]$/.test(key) ? null : find(place));
}

// Press the element of a key. Text fields keep their keys, except Escape and Ctrl+Enter.
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
  const element = pressed(event);
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

// A message about an earlier request must not stay next to a later answer. Parts that update themselves do not remove it.
document.addEventListener("htmx:before:request", (event) => {
  if (!event.target.matches?.("[hx-trigger]")) document.getElementById("messages")?.replaceChildren();
});

// Without an answer from the server, nothing was saved, and the user must know.
document.addEventListener("htmx:error", () => {
  const text = document.getElementById("unreachable");
  if (text) document.getElementById("messages")?.replaceChildren(text.content.cloneNode(true));
});
