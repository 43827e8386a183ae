// A volume in three planes, by NiiVue. Loaded where it is installed and the browser has WebGL2.
import { Niivue, SLICE_TYPE } from "/vendor/niivue.js";

export async function open(canvas, address, peak) {
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
  });
  await viewer.attachToCanvas(canvas);
  await viewer.loadVolumes([
    { url: `${address}/source.nii`, colormap: "gray", cal_min: 0, cal_max: 255 },
    { url: `${address}/map.nii`, colormap: "inferno", cal_min: 1, cal_max: 255, opacity: 0.6 },
  ]);
  viewer.setSliceType(SLICE_TYPE.MULTIPLANAR);
  const jump = (place) => { viewer.scene.crosshairPos = viewer.mm2frac(place); viewer.drawScene(); };
  if (peak) jump(peak);
  return {
    // 0 to 1: as the pages' slider; the map never hides what lies under it.
    opacity: (share) => viewer.setOpacity(1, 0.6 * share),
    jump, // millimetres, RAS
  };
}
