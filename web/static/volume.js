// A volume in three planes, by NiiVue. Loaded where it is installed and the browser has WebGL2.
import { Niivue, SLICE_TYPE } from "/vendor/niivue.js";

// `colours`: knots of the slices' own colours, from nothing to the map's highest; R, G, B, A each.
export async function open(canvas, address, colours) {
  const viewer = new Niivue({
    backColor: [0, 0, 0, 1],
    crosshairColor: [1, 0.83, 0.47, 0.6],
    crosshairWidth: 0.25,
    crosshairGap: 12,
    isRadiologicalConvention: true,
    isColorbar: false,
    showAllOrientationMarkers: true,
    dragAndDropEnabled: false,
    loadingText: "",
    multiplanarShowRender: 0,
    multiplanarPadPixels: 28, // or the letters of two planes touch
  });
  await viewer.attachToCanvas(canvas);
  const [R, G, B, opacities] = [0, 1, 2, 3].map((part) => colours.map((knot) => knot[part]));
  const most = opacities.at(-1);
  const I = opacities.map((opacity) => Math.round((255 * opacity) / most));
  viewer.addColormap("mriad", { R, G, B, A: I, I });
  await viewer.loadVolumes([
    { url: `${address}/source.nii`, colormap: "gray", cal_min: 0, cal_max: 255 },
    { url: `${address}/map.nii`, colormap: "mriad", cal_min: 0, cal_max: 255, opacity: 1 },
  ]);
  // NiiVue paints an overlay's voxel whole or not at all, unless an image modulates it: the map's steps
  // become opacities, by which it modulates itself.
  const map = viewer.volumes[1];
  map.img = map.img.map((step) => {
    const at = (step * (I.length - 1)) / 255;
    const knot = Math.min(Math.floor(at), I.length - 2);
    return Math.round(I[knot] + (I[knot + 1] - I[knot]) * (at - knot));
  });
  viewer.setModulationImage(map.id, map.id, 1);
  viewer.setSliceType(SLICE_TYPE.MULTIPLANAR);
  const jump = (place) => { viewer.scene.crosshairPos = viewer.mm2frac(place); viewer.drawScene(); };
  return {
    opacity: (share) => viewer.setOpacity(1, (share * most) / 255), // 0 to 1: as the pages' slider
    jump, // millimetres, RAS
  };
}
