
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const all = (selector) => Array.from(document.querySelectorAll(selector));
  const form = byId("filters"), count = byId("count"), detail = byId("detail");
  const query = byId("query"), document_ = byId("document"), language = byId("language"), context = byId("context");
  const boxes = all("input[name=group]"), labels = boxes.filter((box) => box.dataset.name !== undefined);
  const normal = (text) => text.normalize("NFC").toLowerCase();
  let names = null;
  try { names = new Intl.DisplayNames(["en"], { type: "language", fallback: "none" }); } catch { /* codes are shown */ }
  const languageName = (code) => {
    let name;
    try { name = code === "und" ? "unknown" : names && names.of(code); } catch { /* not a code */ }
    return name ? `${name} (${code})` : code;
  };

  const sections = all("main > section").map((element) => ({ element, name: element.dataset.d }));
  const items = [];
  for (const section of sections) {
    section.blocks = Array.from(section.element.querySelectorAll("p"), (element) => ({ element, shown: 1 }));
    section.shown = 1;
    for (const block of section.blocks) {
      for (const element of block.element.querySelectorAll(".s")) {
        items.push({ element, section, block, groups: (element.dataset.l || "-").split(" "), language: element.lang || section.element.lang, state: "", text: null });
      }
    }
  }
  const item = new Map(items.map((one) => [one.element, one]));
  const textElement = (one) => { let found = one.element; for (let next; (next = found.querySelector(":scope > .u, :scope > .t"));) found = next; return found; };
  const textOf = (one) => { if (one.text === null) one.text = normal(textElement(one).firstChild ? textElement(one).firstChild.data : ""); return one.text; };

  const steppable = () => items.filter((one) => one.state === "" && one.element.tagName === "MARK");
  const hint = detail.textContent;
  let current = null, stop = null;

  function setStop(one) {
    if (stop) stop.element.tabIndex = -1;
    stop = one;
    if (stop) stop.element.tabIndex = 0;
  }

  function apply() {
    const chosen = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    const words = normal(query.value.trim()), lang = language ? language.value : "";
    const wanted = document_ ? document_.value : "", exact = document_ && document_.tagName === "SELECT";
    const part = normal(wanted);
    let n = 0;
    for (const section of sections) {
      section.match = !wanted || (exact ? section.name === wanted : normal(section.name).includes(part));
      section.found = 0;
      for (const block of section.blocks) block.found = 0;
    }
    const found = [];
    for (const one of items) {
      one.match = one.section.match && (!lang || one.language === lang) && one.groups.some((group) => chosen.has(group)) && (!words || textOf(one).includes(words));
      if (one.match) { n += 1; one.block.found += 1; one.section.found += 1; if (words) found.push(one); }
    }
    const around = context.checked;
    for (const one of items) {
      const state = one.match ? "" : around && one.section.found ? "dim" : "gone";
      if (state !== one.state) {
        if (one.state) one.element.classList.remove(one.state);
        if (state) one.element.classList.add(state);
        one.state = state;
      }
    }
    for (const section of sections) {
      toggle(section, section.found > 0);
      for (const block of section.blocks) toggle(block, around ? section.found > 0 : block.found > 0);
    }
    count.textContent = `${n.toLocaleString("en")} of ${items.length.toLocaleString("en")} shown`;
    highlight(found, words);
    if (current && current.state !== "") { current = null; detail.textContent = hint; }
    if (!stop || stop.state !== "") setStop(steppable()[0] || null);
  }

  function toggle(part, shown) {
    if (part.shown !== shown) { part.element.classList.toggle("gone", !shown); part.shown = shown; }
  }

  function highlight(found, words) {
    if (typeof Highlight === "undefined" || !CSS.highlights) return;
    CSS.highlights.delete("found");
    const ranges = [];
    for (const one of found.slice(0, 2000)) {
      const node = textElement(one).firstChild;
      if (node.data.length !== textOf(one).length) continue;
      for (let at = textOf(one).indexOf(words); at >= 0; at = textOf(one).indexOf(words, at + words.length)) {
        const range = new Range();
        range.setStart(node, at);
        range.setEnd(node, at + words.length);
        ranges.push(range);
      }
    }
    if (ranges.length) CSS.highlights.set("found", new Highlight(...ranges));
  }

  function show(one) {
    if (!one || one === current) return;
    current = one;
    const where = document.createElement("span");
    where.className = "where";
    where.dir = "auto";
    where.textContent = `${one.element.dataset.i} · ${languageName(one.language)}`;
    const values = (one.element.dataset.p || "").split(" ").filter(Boolean);
    const parts = values.map((value, i) => {
      const part = document.createElement("span"), assigned = one.groups.includes(String(i));
      const inner = document.createElement(assigned ? "strong" : "bdi");
      inner.textContent = labels[i].dataset.name;
      part.append(inner, ` ${value}`);
      return part;
    });
    const why = one.element.querySelector(".why");
    detail.replaceChildren(where, ...(parts.length ? parts : [why ? why.textContent : ""]));
  }

  function go(one) {
    if (!one) return;
    setStop(one);
    // Blocks that are not visible have estimated heights, so a second call corrects the position after the first one was drawn.
    one.element.scrollIntoView({ block: "center" });
    one.element.focus({ preventScroll: true });
    requestAnimationFrame(() => one.element.scrollIntoView({ block: "center" }));
    show(one);
  }

  function step(direction, among) {
    const here = current ? current.index : -1;
    const ahead = direction > 0 ? among.find((one) => one.index > here) : among.filter((one) => one.index < here).pop();
    go(ahead);
  }

  items.forEach((one, i) => { one.index = i; });
  document.documentElement.classList.add("js");
  // On a phone, the filters would fill the first screen.
  if (matchMedia("(max-width: 56rem)").matches) byId("panel").open = false;
  for (const option of language ? Array.from(language.options).slice(1) : []) option.textContent = `${languageName(option.value)}, ${option.dataset.n}`;
  let waiting = 0;
  form.addEventListener("input", (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(apply, event.target.type === "search" ? 150 : 0);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply, 0));
  for (const [id, checked] of [["all", true], ["none", false]]) {
    byId(id).addEventListener("click", () => { for (const box of boxes) box.checked = checked; apply(); });
  }
  const texts = byId("texts");
  const under = (event) => { const element = event.target.closest && event.target.closest(".s"); return element ? item.get(element) : null; };
  texts.addEventListener("mouseover", (event) => show(under(event)));
  texts.addEventListener("focusin", (event) => show(under(event)));
  texts.addEventListener("click", (event) => { const one = under(event); if (one && getSelection().isCollapsed) { setStop(one); one.element.focus({ preventScroll: true }); show(one); } });
  texts.addEventListener("keydown", (event) => {
    if (!under(event) || event.ctrlKey || event.altKey || event.metaKey) return;
    const visible = () => items.filter((one) => one.state === "");
    const steps = { ArrowDown: [1, steppable], ArrowUp: [-1, steppable], ArrowRight: [1, visible], ArrowLeft: [-1, visible] }[event.key];
    if (!steps) return;
    event.preventDefault();
    step(steps[0], steps[1]());
  });
  byId("next").addEventListener("click", () => step(1, steppable()));
  byId("previous").addEventListener("click", () => step(-1, steppable()));
  apply();
})();
