"use strict";
// Keys, reviews without a reload, the map's controls. Without it all pages work by links and forms.

const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const MOST_SAVED = 50;
let openedByReview = false; // the page came after a review was saved: `u` is about that

function say(text, bad = false, link = null) {
  const place = find("#said");
  place.textContent = "";
  if (link) {
    const back = document.createElement("a");
    back.href = link.address;
    back.textContent = link.text;
    place.append(back);
  }
  place.append(text);
  place.classList.toggle("bad", bad);
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { place.textContent = ""; }, bad || link ? 8000 : 2500);
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

// Reviews that were saved in this tab, oldest first: { scan, review, address }. For `u`.
function saved(change = null) {
  let held = [];
  try {
    held = JSON.parse(sessionStorage.getItem("mriad-saved") || "[]");
    if (change) {
      held = change(held).slice(-MOST_SAVED);
      sessionStorage.setItem("mriad-saved", JSON.stringify(held));
    }
  } catch (error) { console.info(error); } // a browser that keeps nothing
  return held;
}

const pageOf = (scan) => `/scan/${scan}${location.search}`;

async function send(action, body, answer) {
  body.set("answer", answer);
  const reply = await fetch(action, { method: "POST", body, headers: { Accept: "application/json" } });
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
    const held = await send(form.action, new URLSearchParams(new FormData(form)), answer);
    const link = { text: `scan ${held.scan_id}`, address: pageOf(held.scan_id) };
    saved((list) => list.filter((each) => each.scan !== held.scan_id));
    if (answer !== "withdraw") saved((list) => [...list, { scan: held.scan_id, review: held.review_id, address: link.address }]);
    const row = form.closest("tr[data-scan]");
    if (row) {
      shown(row, held);
      if (answer !== "withdraw" && row === selected()) step(1);
      recount();
    } else if (answer === "withdraw") {
      await go(location.pathname + location.search, false);
    } else {
      await go(held.next);
      openedByReview = true;
    }
    say(answer === "withdraw" ? ": review withdrawn" : `: ${answer}`, false, link);
  } catch (error) {
    say(String(error.message || error), true);
  } finally {
    delete form.dataset.busy;
  }
}

let undoing = false;

async function undo() {
  const last = saved().pop();
  if (!last || undoing) return;
  undoing = true;
  openedByReview = false;
  saved((list) => list.slice(0, -1));
  try {
    const body = new URLSearchParams({ token: find("meta[name=token]").content, held: last.review });
    const held = await send(`/scan/${last.scan}/review`, body, "withdraw");
    const row = find(`#scan-${last.scan}`);
    if (row) { shown(row, held); recount(); }
    if (find(".scan-page")) await go(last.address, !find(`.scan-page[data-scan="${last.scan}"]`)); // to answer anew
    say(": review withdrawn", false, { text: `scan ${last.scan}`, address: last.address });
  } catch (error) {
    say(String(error.message || error), true);
  } finally {
    undoing = false;
  }
}

// The headline and the counts beside filters, after a review in the list.
function recount() {
  clearTimeout(recount.timer);
  recount.timer = setTimeout(async () => {
    const here = location.href;
    try {
      const page = new DOMParser().parseFromString(await (await fetch(here, { headers: { Accept: "text/html" } })).text(), "text/html");
      if (location.href !== here) return;
      for (const part of ["#list-title", "#facets"]) {
        const [old, now] = [find(part), find(part, page)];
        if (old && now && !old.contains(document.activeElement)) old.replaceWith(now);
      }
    } catch (error) { console.info(error); } // counts of before stay
  }, 300);
}

function answer(word) {
  if (find(".scan-page")) {
    const form = find("#review");
    if (word === "withdraw" && (openedByReview || !form || !find(".withdraw", form))) {
      if (!saved().length) say("no review to withdraw: none of this scan, and none was saved here", true);
      else undo();
    } else if (form) review(form, word);
    return;
  }
  const row = selected();
  if (word === "withdraw" && !(row && find("[name=held]", row).value)) {
    if (!saved().length) say("nothing was reviewed here", true);
    else undo();
    return;
  }
  if (!row) return say("choose a scan with j and k", true);
  review(find("form.review", row), word);
}

// ---- moving between pages without a reload

async function go(address, keep = true) {
  openedByReview = false;
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

function turn(rel) {
  const link = find(`.pages a[rel=${rel}]`);
  if (link) location.assign(link.href);
  else say(rel === "next" ? "that is the last page" : "that is the first page");
}

let awaiting = false; // the letter of a page, after `g`
const places = { w: "/", p: "/population", t: "/trends", r: "/runs", m: "/models", h: "/threshold" };

const does = {
  help: () => find("#help").showModal(),
  smaller: () => setZoom(zoom - 1),
  larger: () => setZoom(zoom + 1),
  fit: () => { setMarked(null); setZoom(0); },
  view: (button) => showView(button.value),
  finding: (row) => {
    setMarked(row);
    shownFinding = all("[data-do=finding]").indexOf(row);
    const own = ownPlane();
    if (own) {
      for (const plane of Object.keys(AXES)) {
        if (stage(plane) && row.dataset[plane] !== undefined) slices[plane] = Number(row.dataset[plane]);
      }
      if (view === "planes" && planes) planes.jump(placeOf(row));
      else if (row.dataset[own] !== undefined) showView(AXES[view] ? view : own);
    }
    const place = shownStage();
    if (place && find(".mark:not([hidden])", place)) lookAt(place, centreOf(place));
  },
};

const keys = {
  j: () => onward(1), ArrowDown: () => onward(1), k: () => onward(-1), ArrowUp: () => onward(-1),
  Enter: () => { const row = selected(); if (row) location.assign(row.dataset.href); },
  n: () => answer("normal"), s: () => answer("suspicious"), h: () => answer("healthy"), a: () => answer("abnormal"),
  u: () => answer("withdraw"),
  "/": () => { if (find("#search")) { find("#search").closest("details").open = true; find("#search").focus(); } else location.assign("/"); },
  "?": () => does.help(),
  " ": () => (find("[data-view=montage]:not([hidden])") ? say("the montage keeps its map; v: slices") : setMap(!find("#map-on")?.checked)),
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
  marked = null;
  Object.keys(slices).forEach((each) => delete slices[each]);
  awaitView().then(lookAhead);
  all(".help-button").forEach((each) => { each.hidden = false; });
  if (rows().length && !selected()) select(rows()[0]);
}

begin();
