"use strict";
// Keys, reviews without a reload, the map's controls. Without it all pages work by links and forms.

const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const reviewed = []; // rows reviewed here, for `u`

function say(text, bad = false) {
  const place = find("#said");
  place.textContent = text;
  place.classList.toggle("bad", bad);
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { place.textContent = ""; }, bad ? 8000 : 2500);
}

// ---- the worklist

const rows = () => all("tr[data-scan]");
const selected = () => find("tr.selected");

function select(row) {
  if (!row) return;
  all("tr.selected").forEach((each) => { each.classList.remove("selected"); each.removeAttribute("aria-selected"); });
  row.classList.add("selected");
  row.setAttribute("aria-selected", "true");
  row.scrollIntoView({ block: "nearest" });
}

function step(by) {
  const list = rows();
  const place = list.indexOf(selected());
  select(list[Math.min(Math.max(place + by, 0), list.length - 1)]);
}

function tagged(text) {
  const tag = document.createElement("span");
  tag.className = "tag";
  tag.textContent = text;
  return tag;
}

function shown(row, held) {
  const place = find(".held", row);
  place.replaceChildren();
  if (held.review) {
    const chip = document.createElement("span");
    chip.className = `chip ${held.review}`;
    chip.textContent = held.review;
    const who = document.createElement("span");
    who.className = "soft";
    who.textContent = held.reviewer + (held.label ? `, labelled ${held.label}` : "");
    place.append(chip, who, ...held.tags.map(tagged));
  }
  row.classList.toggle("done", Boolean(held.review));
  find(".withdraw", row).hidden = !held.review_id;
  find("[name=held]", row).value = held.review_id || "";
}

// ---- reviews

async function send(form, answer) {
  const body = new URLSearchParams(new FormData(form));
  body.set("answer", answer);
  const reply = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
  if (!reply.ok) {
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    throw new Error(find("main p", page)?.textContent || `not saved (${reply.status})`);
  }
  return reply.json();
}

async function review(form, answer) {
  if (form.dataset.busy) return;
  form.dataset.busy = "yes";
  try {
    const held = await send(form, answer);
    const row = form.closest("tr[data-scan]");
    if (row) {
      shown(row, held);
      if (answer !== "withdraw") {
        reviewed.push(row);
        if (row === selected()) step(1);
      }
    } else if (answer === "withdraw") {
      await go(location.pathname + location.search, false);
    } else {
      await go(held.next);
    }
    say(answer === "withdraw" ? `scan ${held.scan_id}: review withdrawn` : `scan ${held.scan_id}: ${answer}`);
  } catch (error) {
    say(String(error.message || error), true);
  } finally {
    delete form.dataset.busy;
  }
}

function answer(word) {
  if (find(".scan-page")) {
    const form = find("#review");
    if (!form) return;
    if (word === "withdraw" && !find(".withdraw", form)) return say("no review of this scan to withdraw", true);
    review(form, word);
    return;
  }
  let row = selected();
  if (word === "withdraw" && !row?.classList.contains("done")) row = reviewed.pop();
  if (!row) return say(word === "withdraw" ? "nothing was reviewed here" : "choose a scan with j and k", true);
  review(find("form.review", row), word);
}

// ---- moving between pages without a reload

async function go(address, keep = true) {
  const reply = await fetch(address, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await reply.text(), "text/html");
  const main = find("main", page);
  if (!main) { location.assign(address); return; }
  find("main").replaceWith(main);
  document.title = page.title;
  if (keep) history.pushState(null, "", address);
  window.scrollTo(0, 0);
  begin();
}

addEventListener("popstate", () => go(location.pathname + location.search, false));

// ---- the viewer

let zoom = 0;

function setZoom(to) {
  zoom = Math.min(Math.max(to, 0), 4);
  all(".layers").forEach((each) => { each.className = `layers z${zoom}`; });
}

function setMap(on) {
  const box = find("#map-on");
  if (!box || box.disabled) return;
  box.checked = on;
  const range = find("#opacity");
  if (planes) planes.opacity(on ? range.value / 100 : 0);
  for (const map of all(".layers .map")) {
    if (find(".source", map.parentElement)) map.style.opacity = on ? range.value / 100 : 0;
  }
}

let planes = null; // the viewer of a volume in three planes
let peak = null; // of its map, mm

async function openPlanes() {
  const place = stage("planes");
  if (!place || planes) return;
  try {
    const { open } = await import("/static/volume.js");
    planes = await open(find("canvas", place), place.dataset.volume, peak);
    setMap(find("#map-on").checked);
  } catch (error) {
    console.info(error);
    say("three planes need WebGL2, which this browser does not offer here", true);
    showView(ownPlane());
    find("[data-do=view][value=planes]").disabled = true;
  }
}

const slices = {}; // plane -> position shown
let view = "montage";
const stage = (name) => find(`[data-view="${name}"]`);

function showView(name) {
  const button = find(`[data-do=view][value="${name}"]`);
  if (!stage(name) || !button || button.disabled) return false;
  view = name;
  all("[data-view]").forEach((each) => { each.hidden = each.dataset.view !== name; });
  all("[data-do=view]").forEach((each) => each.setAttribute("aria-pressed", String(each.value === name)));
  all(".of-slices").forEach((each) => { each.hidden = name === "montage"; });
  all(".of-one-slice").forEach((each) => { each.hidden = ["montage", "planes"].includes(name); });
  if (name === "planes") openPlanes();
  else if (name !== "montage") showSlice(slices[name] ?? Number(stage(name).dataset.first));
  return true;
}

function showSlice(to) {
  const place = stage(view);
  if (!place?.dataset.slices) return;
  const n = Number(place.dataset.slices);
  const position = Math.min(Math.max(to, 0), n - 1);
  slices[view] = position;
  for (const each of all("img[data-address]", place)) each.src = each.dataset.address.replace("SLICE", position);
  const range = find("#slice");
  range.max = n - 1;
  range.value = position;
  find("#slice-number").textContent = `${position + 1} of ${n}`;
  all(".strip g.on").forEach((each) => each.classList.remove("on"));
  if (ownPlane() === view) find(`.strip g[data-slice="${position}"]`)?.classList.add("on");
}

const ownPlane = () => find("[data-slices]")?.dataset.view; // the one that the model scores stands first

function stepSlice(by) {
  if (["montage", "planes"].includes(view)) { showView(ownPlane()); return; }
  showSlice(slices[view] + by);
}

async function awaitView() {
  const place = find("[data-state]");
  if (!place) return;
  const note = find("#view-state");
  for (let tries = 0; tries < 240 && place.isConnected; tries += 1) {
    const reply = await fetch(place.dataset.state);
    const found = reply.ok ? await reply.json() : { state: "missing" };
    if (found.state === "ready") {
      peak = found.peak;
      all("[data-do=view]", place).forEach((each) => { each.disabled = false; });
      note.textContent = "";
      return;
    }
    if (found.state === "missing") { note.textContent = "slices: the source is gone, or has changed"; return; }
    note.textContent = "slices are being drawn …";
    await new Promise((done) => setTimeout(done, 500));
  }
}

let asked = 0;

async function whatIf(range) {
  find("#sigmas-shown").textContent = `+${Number(range.value).toFixed(2)} σ`;
  asked += 1;
  const mine = asked;
  await new Promise((done) => setTimeout(done, 60));
  if (mine !== asked) return; // moved on since
  const address = `/threshold?sigmas=${range.value}`;
  const page = new DOMParser().parseFromString(await (await fetch(address)).text(), "text/html");
  const found = find("#what-if", page);
  if (mine !== asked || !found) return;
  find("#what-if").replaceWith(found);
  history.replaceState(null, "", address);
}

function onward(by) {
  const page = find(".scan-page");
  if (!page) return step(by);
  const address = by > 0 ? page.dataset.next : page.dataset.previous;
  if (address) go(address);
  else say(by > 0 ? "that was the last of the list" : "that is the first of the list");
}

function fade(by) {
  const range = find("#opacity");
  if (!range || range.disabled) return;
  range.value = Number(range.value) + by;
  setMap(true);
}

function turn(rel) {
  const link = find(`.pages a[rel=${rel}]`);
  if (link) location.assign(link.href);
  else say(rel === "next" ? "that is the last page" : "that is the first page");
}

function nextView() {
  const names = all("[data-do=view]:not([disabled])").map((each) => each.value);
  if (names.length > 1) showView(names[(names.indexOf(view) + 1) % names.length]);
}

let shownFinding = -1;

function nextFinding() {
  const lines = all("[data-do=finding]");
  if (!lines.length) return;
  shownFinding = (shownFinding + 1) % lines.length;
  does.finding(lines[shownFinding]);
}

let awaiting = false; // the letter of a page, after `g`
const places = { w: "/", p: "/population", t: "/trends", r: "/runs", m: "/models", h: "/threshold" };

const does = {
  help: () => find("#help").showModal(),
  smaller: () => setZoom(zoom - 1),
  larger: () => setZoom(zoom + 1),
  fit: () => setZoom(0),
  view: (button) => showView(button.value),
  finding: (row) => {
    const place = row.dataset.place.split(",").map(Number);
    if (view === "planes" && planes) planes.jump(place);
    else if (showView(ownPlane())) showSlice(Number(row.dataset.slice));
  },
};

const keys = {
  j: () => onward(1), ArrowDown: () => onward(1), k: () => onward(-1), ArrowUp: () => onward(-1),
  Enter: () => { const row = selected(); if (row) location.assign(row.dataset.href); },
  n: () => answer("normal"), s: () => answer("suspicious"), h: () => answer("healthy"), a: () => answer("abnormal"),
  u: () => answer("withdraw"),
  "/": () => { if (find("#search")) { find("#search").closest("details").open = true; find("#search").focus(); } else location.assign("/"); },
  "?": () => does.help(),
  " ": () => setMap(!find("#map-on")?.checked),
  "+": () => does.larger(), "=": () => does.larger(), "-": () => does.smaller(), 0: () => does.fit(),
  ",": () => stepSlice(-1), ".": () => stepSlice(1),
  v: () => nextView(), f: () => nextFinding(),
  "[": () => (find(".scan-page") ? fade(-10) : turn("prev")), "]": () => (find(".scan-page") ? fade(10) : turn("next")),
  g: () => { awaiting = true; setTimeout(() => { awaiting = false; }, 1500); },
  t: () => find("#tags")?.focus(), i: () => find("#note")?.focus(),
  w: () => { const page = find(".scan-page"); if (page) location.assign(page.dataset.list); },
};

for (const digit of "123456789") keys[digit] = () => find(`[data-key="${digit}"]`)?.click();

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || find("dialog[open]")) return;
  if (event.target.matches("input:not([type=checkbox], [type=range]), select, textarea")) {
    const inReview = event.target.closest("#review");
    if (event.key === "Escape" || (event.key === "Enter" && inReview)) {
      if (inReview) event.preventDefault(); // a verdict is given by its own key or button
      event.target.blur();
    }
    return;
  }
  if (event.target.matches("button, a, summary, input[type=checkbox]") && [" ", "Enter"].includes(event.key)) return;
  if (event.target.matches("input[type=range]") && event.key.startsWith("Arrow")) return;
  if (awaiting) {
    awaiting = false;
    if (places[event.key]) { event.preventDefault(); location.assign(places[event.key]); }
    return;
  }
  const act = keys[event.key];
  if (!act || (event.key === "Enter" && !selected())) return;
  event.preventDefault();
  act();
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("form.review") || !event.submitter) return;
  event.preventDefault();
  const row = form.closest("tr[data-scan]");
  if (row) select(row);
  review(form, event.submitter.value);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button) {
    does[button.dataset.do](button);
    if (event.detail > 0) document.activeElement?.blur(); // so that the space bar is the map's again
    return;
  }
  const bar = event.target.closest(".strip g[data-slice]");
  if (bar && showView(ownPlane())) { showSlice(Number(bar.dataset.slice)); return; }
  const row = event.target.closest("tr[data-scan]");
  if (row && !event.target.closest("a, button")) select(row);
});

document.addEventListener("input", (event) => {
  if (event.target.id === "opacity") setMap(true);
  if (event.target.id === "map-on") setMap(event.target.checked);
  if (event.target.id === "slice") showSlice(Number(event.target.value));
  if (event.target.id === "sigmas") whatIf(event.target);
});

function begin() {
  // On a tablet the list comes first; what is chosen stays chosen.
  if (matchMedia("(max-width: 68rem)").matches) all("details[data-narrow-closed]").forEach((each) => { each.open = false; });
  zoom = 0;
  view = "montage";
  planes = null;
  shownFinding = -1;
  Object.keys(slices).forEach((each) => delete slices[each]);
  awaitView();
  all(".help-button").forEach((each) => { each.hidden = false; });
  if (rows().length && !selected()) select(rows()[0]);
}

begin();
