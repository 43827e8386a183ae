"use strict";
// The viewer of a scan's page: enlarging, the map, slices, the peaks of findings. Its keys are in pages.js.

let zoom = 0;
let marked = null; // the row of the finding whose peak is marked

const shownStage = () => find(".stage:not([hidden])");

// Where the marked peak lies in the layers of a stage, else the middle of what is seen: 0 to 1.
function centreOf(place) {
  const frame = find(".layers", place).getBoundingClientRect();
  const ring = find(".mark:not([hidden]) circle", place);
  const box = (ring || place).getBoundingClientRect();
  return [(box.left + box.width / 2 - frame.left) / frame.width, (box.top + box.height / 2 - frame.top) / frame.height];
}

function lookAt(place, [x, y]) {
  const layers = find(".layers", place);
  place.scrollLeft = x * layers.offsetWidth - place.clientWidth / 2;
  place.scrollTop = y * layers.offsetHeight - place.clientHeight / 2;
}

function setZoom(to) {
  const place = shownStage();
  const centre = place && find(".layers", place) ? centreOf(place) : null;
  zoom = Math.min(Math.max(to, 0), 4);
  for (const each of all(".layers")) [1, 2, 3, 4].forEach((step) => each.classList.toggle(`z${step}`, step === zoom));
  if (centre) lookAt(place, centre);
}

// Planes: the axes that run along a slice's rows and down its columns, by the plane that counts them.
const AXES = { axial: ["sagittal", "coronal"], coronal: ["sagittal", "axial"], sagittal: ["coronal", "axial"] };

// Where the marked peak lies in a stage's picture, 0 to 1; null where it does not.
function peakIn(place, image) {
  if (!marked) return null;
  const plane = place.dataset.view;
  if (!plane) {
    const [x, y] = placeOf(marked);
    return [(x + 0.5) / image.naturalWidth, (y + 0.5) / image.naturalHeight];
  }
  if (!AXES[plane] || marked.dataset[plane] === undefined || slices[plane] !== Number(marked.dataset[plane])) return null;
  return AXES[plane].map((axis) => {
    const n = Number(stage(axis)?.dataset.slices);
    return (n - Number(marked.dataset[axis]) - 0.5) / n; // right is left, up is up
  });
}

function drawMarks() {
  for (const mark of all(".mark")) {
    const image = find("img.map", mark.parentElement);
    const [wide, high] = [image.naturalWidth, image.naturalHeight];
    const peak = wide ? peakIn(mark.closest(".stage"), image) : null;
    mark.toggleAttribute("hidden", !peak);
    if (!peak) continue;
    mark.setAttribute("viewBox", `0 0 ${wide} ${high}`);
    for (const ring of all("circle", mark)) {
      ring.setAttribute("cx", peak[0] * wide);
      ring.setAttribute("cy", peak[1] * high);
      ring.setAttribute("r", 0.04 * Math.max(wide, high));
    }
  }
}

function setMarked(row) {
  marked = row;
  all("[data-do=finding]").forEach((each) => each.classList.toggle("on", each === row));
  drawMarks();
}

// A slice's size is known once it is there.
document.addEventListener("load", (event) => {
  if (marked && event.target.matches?.("img.map")) { drawMarks(); }
}, true);

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

const placeOf = (row) => row.dataset.place.split(",").map(Number); // mm; of a picture, pixels

let planes = null; // the viewer of a volume in three planes
let about = {}; // its map's peak in mm, and colours

async function openPlanes() {
  const place = stage("planes");
  if (!place || planes) return;
  try {
    const { open } = await import("/static/volume.js");
    planes = await open(find("canvas", place), place.dataset.volume, about.colours);
    const start = marked ? placeOf(marked) : about.peak;
    if (start) planes.jump(start);
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
  find(".zoom").hidden = name === "planes"; // its own wheel and drag
  if (name === "planes") openPlanes();
  else if (name !== "montage") showSlice(slices[name] ?? Number(stage(name).dataset.first));
  if (zoom && find(".layers", stage(name))) lookAt(stage(name), find(".mark:not([hidden])", stage(name)) ? centreOf(stage(name)) : [0.5, 0.5]);
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
  drawMarks();
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
      about = found;
      all("[data-do=view]", place).forEach((each) => { each.disabled = false; });
      note.textContent = "";
      return;
    }
    if (found.state === "missing") { note.textContent = "slices: the source is gone, or has changed"; return; }
    note.textContent = "slices are being drawn …";
    await new Promise((done) => setTimeout(done, 500));
  }
}

// While a scan is read, the pictures of the next are fetched, and its slices drawn.
async function lookAhead() {
  const here = find(".scan-page");
  if (!here?.dataset.next) return;
  try {
    const reply = await fetch(here.dataset.next, { headers: { Accept: "text/html" } });
    const next = new DOMParser().parseFromString(await reply.text(), "text/html");
    for (const each of all(".stage:not([hidden]) img[src]", next)) new Image().src = each.getAttribute("src");
    const state = find("[data-state]", next);
    if (state && here.isConnected) await (await fetch(state.dataset.state)).text(); // unread, it holds a connection
  } catch (error) { console.info(error); } // it is fetched when it is opened
}

function fade(by) {
  const range = find("#opacity");
  if (!range || range.disabled) return;
  range.value = Number(range.value) + by;
  setMap(true);
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
