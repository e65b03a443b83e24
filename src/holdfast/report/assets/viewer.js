// The transcripts: filters, a virtual list, and one item's conditions side by side for two models. All text is set as text.
"use strict";
const Transcripts = (() => {
  const FIELDS = ["adapter", "seed", "instrument", "condition", "outcome", "flip"];
  const FLIPS = { lost: "right before, not now", won: "right now, not before", changed: "any change", same: "no change" };
  let d, total, firstOf, modelOf, slotOf, baseAt, probabilityAt, lowered, shown, list, chosen, against, ready;

  function prepare(data) {
    d = data;
    total = d.prompt_.length;
    firstOf = [];
    modelOf = new Uint16Array(total);
    probabilityAt = new Uint32Array(total + 1);
    let at = 0;
    d.models.forEach((m, k) => {
      firstOf.push(at);
      modelOf.fill(k, at, at + m.count);
      at += m.count;
    });
    const slots = new Map();
    slotOf = new Uint32Array(d.text.length);
    for (let p = 0; p < d.text.length; p++) {
      const key = [d.prompt_instrument_[p], d.prompt_item_[p], d.prompt_condition_[p], d.rotation[p]].join();
      if (!slots.has(key)) slots.set(key, slots.size);
      slotOf[p] = slots.get(key);
    }
    const sizes = d.choices.map((c) => c.length);
    for (let t = 0; t < total; t++) probabilityAt[t + 1] = probabilityAt[t] + sizes[d.prompt_choices_[d.prompt_[t]]];
    const base = d.models.findIndex((m) => m.seed === null);
    const ofBase = new Int32Array(slots.size).fill(-1);
    if (base >= 0) for (let t = firstOf[base]; t < firstOf[base] + d.models[base].count; t++) ofBase[slotOf[d.prompt_[t]]] = t;
    baseAt = new Int32Array(total);
    for (let t = 0; t < total; t++) baseAt[t] = ofBase[slotOf[d.prompt_[t]]];
  }

  const field = (name) => document.getElementById("t-" + name);
  const label = (k) => {
    const m = d.models[k];
    return m.adapter + (m.seed === null ? "" : " seed " + m.seed) + (m.dose ? ", " + m.dose : "");
  };

  function option(value, text) {
    return make("option", { value }, text);
  }

  function fill() {
    const distinct = (values) => [...new Set(values)];
    field("adapter").append(...distinct(d.models.map((m) => m.adapter)).map((a) => option(a, a)));
    field("seed").append(...distinct(d.models.map((m) => m.seed).filter((s) => s !== null)).map((s) => option(String(s), String(s))));
    field("instrument").append(...d.instrument.map((i) => option(i, i)));
    field("condition").append(...d.condition.map((c) => option(c, c)));
    field("outcome").append(...d.outcomes.map((o) => option(o, o)));
    field("flip").append(...Object.entries(FLIPS).map(([value, text]) => option(value, text)));
  }

  function flip(t) {
    const b = baseAt[t];
    if (b < 0 || d.outcome_[b] === 3 || d.outcome_[t] === 3) return "";
    const before = d.outcome_[b] === 0, after = d.outcome_[t] === 0;
    if (before && !after) return "lost";
    if (!before && after) return "won";
    return d.outcome_[b] === d.outcome_[t] ? "same" : "other";
  }

  function lower() {
    if (!lowered) lowered = { text: d.text.map((s) => s.toLowerCase()), item: d.item.map((s) => s.toLowerCase()), replies: d.replies.map((s) => s.toLowerCase()) };
  }

  function containing(text) {
    // A prompt and a reply are searched once however many trials have them.
    lower();
    const wanted = text.toLowerCase();
    const items = lowered.item.map((s) => s.includes(wanted));
    const prompts = new Uint8Array(d.text.length);
    for (let p = 0; p < prompts.length; p++) prompts[p] = items[d.prompt_item_[p]] || lowered.text[p].includes(wanted);
    const replies = lowered.replies.map((s) => s.includes(wanted));
    return (t) => prompts[d.prompt_[t]] || (d.reply_[t] > 0 && replies[d.reply_[t] - 1]);
  }

  function filter() {
    const started = performance.now();
    const value = Object.fromEntries(FIELDS.map((f) => [f, field(f).value]));
    const models = d.models.map((m) => (!value.adapter || m.adapter === value.adapter) && (!value.seed || String(m.seed) === value.seed || m.seed === null && m.adapter === value.adapter));
    const instrument = d.instrument.indexOf(value.instrument), condition = d.condition.indexOf(value.condition);
    const outcome = d.outcomes.indexOf(value.outcome), text = field("text").value.trim();
    const has = text ? containing(text) : null;
    const found = new Uint32Array(total);
    let count = 0;
    d.models.forEach((m, k) => {
      if (!models[k]) return;
      for (let t = firstOf[k]; t < firstOf[k] + m.count; t++) {
        const p = d.prompt_[t];
        if (value.instrument && d.prompt_instrument_[p] !== instrument) continue;
        if (value.condition && d.prompt_condition_[p] !== condition) continue;
        if (value.outcome && d.outcome_[t] !== outcome) continue;
        if (value.flip) {
          const f = flip(t);
          if (value.flip === "changed" ? f === "" || f === "same" : f !== value.flip) continue;
        }
        if (has && !has(t)) continue;
        found[count++] = t;
      }
    });
    shown = found.subarray(0, count);
    chosen = 0;
    list.update();
    Transcripts.filterMs = performance.now() - started;
    field("count").textContent = count.toLocaleString("en") + " of " + total.toLocaleString("en") + " trials";
    pick(0, false);
  }

  function address() {
    const q = new URLSearchParams();
    for (const f of [...FIELDS, "text"]) if (field(f).value) q.set(f, field(f).value);
    if (shown.length && chosen > 0) q.set("row", String(chosen));
    if (against) q.set("against", against);
    return "#t?" + q.toString().replace(/\+/g, "%20");
  }

  function remember() {
    history.replaceState(null, "", address());
    field("link").href = address();
  }

  function follow() {
    const hash = location.hash;
    if (!hash.startsWith("#t?")) return false;
    const q = new URLSearchParams(hash.slice(3));
    for (const f of [...FIELDS, "text"]) {
      const element = field(f), wanted = q.get(f) || "";
      if (element.tagName === "SELECT" && wanted && ![...element.options].some((o) => o.value === wanted)) element.append(option(wanted, wanted + " (none here)"));
      element.value = wanted;
    }
    against = q.get("against") || "";
    filter();
    const row = Math.min(Number(q.get("row")) || 0, Math.max(0, shown.length - 1));
    if (row) pick(row, true);
    document.getElementById("transcripts").scrollIntoView();
    return true;
  }

  function answer(t) {
    if (d.reply_[t]) return d.replies[d.reply_[t] - 1];
    const choices = d.choices[d.prompt_choices_[d.prompt_[t]]];
    let best = -1;
    for (let c = 0; c < choices.length; c++) if (best < 0 || d.probability_[probabilityAt[t] + c] > d.probability_[probabilityAt[t] + best]) best = c;
    return best < 0 || !d.probability_[probabilityAt[t] + best] ? "" : choices[best].trim();
  }

  const short = (text, most) => (text.length > most ? text.slice(0, most) + "…" : text);

  function row(k) {
    const t = shown[k], p = d.prompt_[t], f = flip(t);
    return make("div", { role: "option", id: "t-row-" + k, class: "t-row" + (k === chosen ? " on" : ""), "aria-selected": String(k === chosen), "aria-posinset": k + 1, "aria-setsize": shown.length, "data-k": k },
      make("span", { class: "t-what" }, label(modelOf[t]) + " · " + short(d.item[d.prompt_item_[p]], 40) + " · " + short(d.condition[d.prompt_condition_[p]], 30)),
      make("span", { class: "o o-" + d.outcomes[d.outcome_[t]] }, d.outcomes[d.outcome_[t]] + (f === "lost" || f === "won" ? " (base: " + d.outcomes[d.outcome_[baseAt[t]]] + ")" : "")),
      make("bdi", { class: "t-snippet" }, short(answer(t), 90) || "no answer"));
  }

  function buildList() {
    const scroller = field("list"), inner = make("div", { class: "t-inner", role: "presentation" });
    scroller.append(inner);
    const options = () => ({
      count: shown ? shown.length : 0, getScrollElement: () => scroller, estimateSize: () => 54, overscan: 6,
      observeElementRect: vendorList.observeElementRect, observeElementOffset: vendorList.observeElementOffset, scrollToFn: vendorList.elementScroll,
      onChange: draw,
    });
    const virtual = new vendorList.Virtualizer(options());
    function draw() {
      inner.style.height = virtual.getTotalSize() + "px";
      inner.replaceChildren(...virtual.getVirtualItems().filter((v) => v.index < shown.length).map((v) => {
        const element = row(v.index);
        element.style.transform = "translateY(" + v.start + "px)";
        return element;
      }));
      const on = document.getElementById("t-row-" + chosen);
      if (on) scroller.setAttribute("aria-activedescendant", on.id);
      else scroller.removeAttribute("aria-activedescendant");
    }
    virtual._didMount();
    virtual._willUpdate();
    list = {
      update() { virtual.setOptions(options()); virtual._willUpdate(); virtual.measure(); scroller.scrollTop = 0; draw(); },
      to(k) { virtual.scrollToIndex(k, { align: "auto" }); draw(); },
    };
    scroller.addEventListener("click", (event) => {
      const element = event.target.closest("[data-k]");
      if (element) pick(Number(element.dataset.k), true);
    });
    scroller.addEventListener("keydown", (event) => {
      const page = Math.max(1, Math.floor(scroller.clientHeight / 54) - 1);
      const to = { ArrowDown: chosen + 1, ArrowUp: chosen - 1, PageDown: chosen + page, PageUp: chosen - page, Home: 0, End: shown.length - 1 }[event.key];
      if (event.key === "Enter") field("detail").focus();
      if (to === undefined || !shown.length) return;
      event.preventDefault();
      pick(Math.min(shown.length - 1, Math.max(0, to)), true);
    });
  }

  function pick(k, tell) {
    chosen = k;
    list.to(k);
    detail();
    if (tell) remember();
  }

  function siblings(model, p) {
    // Every trial of this model on the same item of the same instrument.
    const out = [];
    for (let t = firstOf[model]; t < firstOf[model] + d.models[model].count; t++) {
      const q = d.prompt_[t];
      if (d.prompt_item_[q] === d.prompt_item_[p] && d.prompt_instrument_[q] === d.prompt_instrument_[p]) out.push(t);
    }
    return out;
  }

  function said(p) {
    // "[user] ... [assistant] ..." as turns; anything else as it is.
    const text = d.text[p], parts = text.split(/(?:^| )\[(user|assistant|system)\] /);
    const out = make("div", { class: "t-said" });
    if (parts.length < 3 || parts[0] !== "") out.append(make("pre", { dir: "auto" }, text));
    else for (let i = 1; i < parts.length; i += 2) out.append(make("p", { class: "turn" }, make("b", {}, parts[i]), " ", make("bdi", {}, parts[i + 1])));
    const prefill = d.prefill[d.prompt_prefill_[p]];
    if (prefill) out.append(make("p", { class: "turn" }, make("b", {}, "assistant"), " ", make("bdi", {}, prefill.trim() + " …")));
    return out;
  }

  function answered(t) {
    if (t === undefined || t < 0) return make("td", { class: "none" }, "not asked here");
    const p = d.prompt_[t], choices = d.choices[d.prompt_choices_[p]], outcome = d.outcomes[d.outcome_[t]];
    const cell = make("td", {}, make("span", { class: "o o-" + outcome }, outcome));
    if (d.reply_[t]) return cell.append(make("pre", { dir: "auto" }, d.replies[d.reply_[t] - 1])), cell;
    const order = choices.map((c, i) => [d.probability_[probabilityAt[t] + i], i]).sort((a, b) => b[0] - a[0]);
    const scored = order.length && order[0][0] > 0, bars = make("div", { class: "bars" });
    for (const [value, i] of scored ? order.slice(0, 12) : []) {
      const share = Math.round((1000 * value) / 255) / 10, gold = choices[i] === d.gold[p];
      const bar = make("span", { class: "bar" + (gold ? " gold" : "") });
      bar.style.width = share + "%";
      bars.append(make("div", { class: "choice" }, make("bdi", {}, choices[i].trim() + (gold ? " ✓" : "")), make("span", { class: "track", "aria-hidden": "true" }, bar), make("span", { class: "pc" }, share.toFixed(1) + " %")));
    }
    cell.append(scored ? bars : make("p", { class: "none" }, "not scored"));
    if (order.length > 12) cell.append(make("p", { class: "none" }, order.length - 12 + " more choices, all less likely"));
    return cell;
  }

  function detail() {
    const box = field("detail");
    box.replaceChildren();
    if (!shown.length) return box.append(make("p", {}, "No trial matches these filters."));
    const t = shown[chosen], p = d.prompt_[t], model = modelOf[t];
    const base = d.models.findIndex((m) => m.seed === null);
    let other = d.models.findIndex((m) => m.name === against);
    if (other < 0) other = base;
    const select = make("select", { id: "t-against" }, ...d.models.map((m, k) => option(m.name, label(k))));
    if (other >= 0) select.value = d.models[other].name;
    select.addEventListener("change", () => { against = select.value; detail(); remember(); });
    const at = new Map(), left = other >= 0 && other !== model ? siblings(other, p) : [];
    for (const s of siblings(model, p)) at.set(slotOf[d.prompt_[s]], [undefined, s]);
    for (const s of left) at.set(slotOf[d.prompt_[s]], [s, (at.get(slotOf[d.prompt_[s]]) || [])[1]]);
    const head = make("tr", {}, make("th", { scope: "col" }, "condition and prompt"), left.length ? make("th", { scope: "col" }, label(other)) : null, make("th", { scope: "col" }, label(model)));
    const body = make("tbody");
    for (const [slot, [l, r]] of at) {
      const q = d.prompt_[r === undefined ? l : r];
      const name = d.condition[d.prompt_condition_[q]] + (d.rotation[q] ? ", rotation " + d.rotation[q] : "");
      const prompt = make("th", { scope: "row" }, make("span", { class: "cond" }, name), said(q));
      if (l !== undefined && r !== undefined && d.prompt_[l] !== d.prompt_[r]) prompt.append(make("p", { class: "none" }, "The other model's prompt holds its own first answer."));
      body.append(make("tr", { class: slot === slotOf[p] ? "here" : null }, prompt, left.length ? answered(l) : null, answered(r)));
    }
    box.append(make("h3", { id: "t-title" }, d.instrument[d.prompt_instrument_[p]] + " · " + d.item[d.prompt_item_[p]]),
      make("p", {}, "right answer: ", make("bdi", {}, d.gold[p] === null ? "unknown" : String(d.gold[p]).trim()), make("label", { class: "beside" }, "compared with ", select)),
      make("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "conditions of this item" }, make("table", {}, make("thead", {}, head), body)));
  }

  async function start() {
    const data = await readBlock("trials");
    if (!data) return;
    prepare(data);
    fill();
    shown = new Uint32Array(0);
    buildList();
    for (const f of FIELDS) field(f).addEventListener("change", () => { filter(); remember(); });
    let wait;
    field("text").addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(() => { filter(); remember(); }, 120); });
    field("reset").addEventListener("click", () => { for (const f of [...FIELDS, "text"]) field(f).value = ""; against = ""; filter(); remember(); });
    window.addEventListener("hashchange", follow);
    if (!follow()) filter();
    field("app").hidden = false;
    document.documentElement.dataset.transcripts = "ready";
    setTimeout(lower, 300); // so that the first search does not wait for it
  }

  return { start, filterMs: null };
})();
