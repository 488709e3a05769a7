"use strict";
// Mark the words of the sentence that name holder and target of each chosen label.
// Positions are counted in characters (code points), as the server does, not in units of UTF-16.
(() => {
  const sentence = () => document.getElementById("sentence");
  const panel = () => document.getElementById("acts");
  const open = () => [...(panel()?.querySelectorAll(".act:not([hidden])") ?? [])];
  const active = () => panel()?.querySelector(".act[data-active]:not([hidden])") ?? null;
  const points = (text, units) => [...text.slice(0, units)].length;
  const units = (text, count) => [...text].slice(0, count).join("").length;

  // The words that were selected last. A tap on a button clears the selection of some phones.
  let selected = null;
  let words = null;
  let place = null;

  function say(text) {
    const said = panel()?.querySelector("[data-said]");
    if (said) said.textContent = text;
  }

  // Return start and end of the selection in the sentence without white space at its ends, or null.
  function selection() {
    const found = getSelection(), element = sentence();
    if (!element || !found.rangeCount || found.isCollapsed) return null;
    const range = found.getRangeAt(0);
    if (!range.intersectsNode(element)) return null;
    const text = element.textContent, before = document.createRange();
    const offset = (node, at) => {
      if (!element.contains(node)) return null;
      before.setStart(element, 0);
      before.setEnd(node, at);
      return before.toString().length;
    };
    let start = offset(range.startContainer, range.startOffset) ?? 0;
    let end = offset(range.endContainer, range.endOffset) ?? text.length;
    while (start < end && /\s/.test(text[start])) start++;
    while (start < end && /\s/.test(text[end - 1])) end--;
    return start < end ? [start, end] : null;
  }

  document.addEventListener("selectionchange", () => {
    const found = selection();
    if (found) selected = found;
    else if (sentence()?.contains(getSelection().anchorNode)) selected = null;
  });

  // Return start and end of each word of the sentence. Emoji count as words, because a flag can name a state.
  function segments(element) {
    if (words?.element === element) return words.found;
    const text = element.textContent;
    const counts = /[\p{L}\p{N}\p{Extended_Pictographic}\p{Regional_Indicator}]/u;
    let parts;
    try {
      parts = [...new Intl.Segmenter(element.lang || undefined, { granularity: "word" }).segment(text)].map((one) => [one.index, one.segment]);
    } catch {
      parts = [...text.matchAll(/[\p{L}\p{N}\p{M}]+|\p{Extended_Pictographic}/gu)].map((one) => [one.index, one[0]]);
    }
    const found = parts.filter(([, part]) => counts.test(part)).map(([start, part]) => [start, start + part.length]);
    words = { element, found };
    return found;
  }

  // Select the next or previous word or, with Shift, extend the selection by a word.
  function step(element, forward, extend) {
    const found = segments(element);
    if (!found.length) return;
    if (place?.element !== element || !selection()) {
      const at = forward ? 0 : found.length - 1;
      place = { element, anchor: at, focus: at };
    } else {
      place.focus = Math.max(0, Math.min(found.length - 1, place.focus + (forward ? 1 : -1)));
      if (!extend) place.anchor = place.focus;
    }
    const [from, to] = [Math.min(place.anchor, place.focus), Math.max(place.anchor, place.focus)];
    const [start, end] = [found[from][0], found[to][1]];
    getSelection().setBaseAndExtent(element.firstChild, start, element.firstChild, end);
    selected = [start, end];
    say(element.textContent.slice(start, end));
  }

  document.addEventListener("keydown", (event) => {
    const element = sentence();
    if (!panel() || event.target !== element || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    event.preventDefault();
    const forward = (event.key === "ArrowRight") !== (getComputedStyle(element).direction === "rtl");
    step(element, forward, event.shiftKey);
  });

  function mark(act, role) {
    const element = sentence(), span = selection() ?? selected;
    if (!span) {
      say("Select words of the sentence first.");
      element.focus();
      return;
    }
    const text = element.textContent;
    const [start, end] = [points(text, span[0]), points(text, span[1])];
    const chosen = text.slice(...span), line = act.querySelector(`[data-role=${role}]`);
    const input = line.querySelector("input");
    input.value = [act.dataset.label, role, start, end, chosen].join("|");
    input.disabled = false;
    line.querySelector(".words").textContent = chosen;
    const neither = act.querySelector("[name=unnamed]");
    if (neither) neither.checked = false;
    getSelection().removeAllRanges();
    selected = place = null;
    refresh();
    say(`${role} of ${act.dataset.label}: ${chosen}`);
  }

  function clear(line) {
    const input = line.querySelector("input");
    input.value = "";
    input.disabled = true;
    line.querySelector(".words").textContent = "";
  }

  function activate(act) {
    for (const one of open()) one.toggleAttribute("data-active", one === act);
    for (const one of panel()?.querySelectorAll("[data-key]") ?? []) one.removeAttribute("aria-keyshortcuts");
    for (const one of act?.querySelectorAll("[data-key]") ?? []) one.setAttribute("aria-keyshortcuts", one.dataset.key);
  }

  // Show the fields of the labels that are chosen, and what is marked in the sentence.
  function refresh() {
    const all = panel();
    if (!all) return;
    const labels = new Set([...document.querySelectorAll("#answer input[name=labels]:checked")].map((one) => one.value));
    for (const act of all.querySelectorAll(".act")) {
      act.hidden = act.disabled = !labels.has(act.dataset.label);
      const lines = [...act.querySelectorAll("[data-role]")];
      const named = lines.some((line) => !line.querySelector("input").disabled);
      const neither = act.querySelector("[name=unnamed]")?.checked;
      for (const line of lines) {
        const marked = !line.querySelector("input").disabled;
        line.querySelector("[data-clear]").hidden = !marked;
        line.querySelector(".words").dataset.empty = named || neither ? "not named" : "not marked";
      }
    }
    activate(active() ?? open()[0] ?? null);
    all.querySelector("[data-none]").hidden = open().length > 0;
    all.querySelector("[data-following]").hidden = open().length < 2;
    paint();
  }

  function paint() {
    const node = sentence()?.firstChild;
    if (!globalThis.CSS?.highlights || !node) return;
    const text = node.data, found = { holder: [], target: [] };
    for (const act of open()) {
      for (const input of act.querySelectorAll("input[name=marks]:not([disabled])")) {
        const [, role, start, end] = input.value.split("|");
        const range = new Range();
        range.setStart(node, units(text, Number(start)));
        range.setEnd(node, units(text, Number(end)));
        found[role].push(range);
      }
    }
    for (const [role, ranges] of Object.entries(found)) CSS.highlights.set(role, new Highlight(...ranges));
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("#acts button");
    const act = button?.closest(".act") ?? event.target.closest?.(".act");
    if (act) activate(act);
    if (!button) return;
    const line = button.closest("[data-role]");
    if ("mark" in button.dataset) mark(act, line.dataset.role);
    else if ("clear" in button.dataset) {
      clear(line);
      refresh();
      say("Removed.");
      line.querySelector("[data-mark]").focus();
    } else if ("following" in button.dataset) {
      const all = open(), next = all[(all.indexOf(active()) + 1) % all.length];
      activate(next);
      say(next.dataset.label);
    }
  });

  document.addEventListener("change", (event) => {
    if (!event.target.closest?.("#answer")) return;
    if (event.target.name === "labels") {
      refresh();
      const chosen = open().find((act) => act.dataset.label === event.target.value);
      if (chosen) activate(chosen);
    } else if (event.target.name === "unnamed") {
      if (event.target.checked) event.target.closest(".act").querySelectorAll("[data-role]").forEach(clear);
      refresh();
    }
  });

  document.addEventListener("htmx:after:swap", () => {
    selected = words = place = null;
    refresh();
  });
  refresh();
})();
