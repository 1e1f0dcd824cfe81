/* What every instrument stands on: its sliders, a drawing that follows them and the theme, and words for those who
 * do not see it. An instrument is one function, `draw`; the numbers come from Python in the trait `data`. */

function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const MOVED = "change:value change:index"; // a slider of numbers, or of choices
const clip = (value, low, high) => Math.min(high, Math.max(low, value));
const signed = (value, digits = 2) => value.toFixed(digits).replace("-", "−");

/** The widget that a serialised reference names. */
const refer = (model, reference) => model.widget_manager.get_model(reference.replace("IPY_MODEL_", ""));

/** Set a slider from the drawing, within its bounds and on its steps; the kernel, where there is one, is told. */
function turn(slider, value) {
  const [low, high, step] = ["min", "max", "step"].map((name) => slider.get(name));
  const stepped = low + Math.round((clip(value, low, high) - low) / step) * step;
  const digits = clip(6 - Math.floor(Math.log10(step)), 0, 100); // to a millionth of a step: 0.15, not 0.15000000000000036
  slider.set("value", clip(+stepped.toFixed(digits), low, high));
  slider.save_changes();
}

/** ipywidgets gives slider handles no accessible name: lend them label and readout, once their views are there. */
function nameSliders(sliders, title, tries = 200) {
  const views = sliders.flatMap((slider) => Object.values(slider.views ?? {}));
  if (views.length < sliders.length && tries) setTimeout(nameSliders, 25, sliders, title, tries - 1);
  else
    Promise.all(views).then((made) => {
      for (const view of made) {
        const [handle, readout] = ["[role=slider]", ".widget-readout"].map((one) => view.el.querySelector(one));
        for (const part of [handle, readout]) part?.setAttribute("aria-label", `${title}: ${view.model.get("description")}`);
        if (!handle || !readout) continue; // ipywidgets 7
        if (view.model.get("step") === undefined) readout.contentEditable = "false"; // choices are not typed
        // noUiSlider says the place among the choices, or all digits of a double: say what is shown
        const say = () =>
          handle.getAttribute("aria-valuetext") === readout.textContent ||
          handle.setAttribute("aria-valuetext", readout.textContent);
        new MutationObserver(say).observe(handle, { attributeFilter: ["aria-valuetext"] });
        say();
      }
    });
}

/** Read the sliders, call `draw` once a frame after a change of slider, theme or size, and free everything at the end. */
async function perform({ model, el, signal }, instrument) {
  const sliders = await Promise.all(model.get("sliders").map((reference) => refer(model, reference)));
  const network = model.get("network") && (await refer(model, model.get("network")));
  const stage = make("div", { class: "vae-stage", role: "group", "aria-label": model.get("title") });
  const data = model.get("data");
  const draw = instrument({ stage, model, data, sliders, network, signal, title: model.get("title") });
  el.append(stage);
  let asked = 0;
  const frame = () => {
    asked = 0;
    const started = performance.now();
    draw();
    stage.dataset.milliseconds = (performance.now() - started).toFixed(2);
  };
  const ask = () => (asked ||= requestAnimationFrame(frame));
  // a class, not a container query: each layout of the page would try that with the width of the narrowest content too
  const measure = () => stage.classList.toggle("vae-narrow", stage.clientWidth <= 480);
  const resized = new ResizeObserver(() => (measure(), ask()));
  resized.observe(stage);
  const themed = new MutationObserver(ask);
  themed.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "data-mode"] });
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  addEventListener("resize", ask); // a zoom may leave the width alone
  document.fonts.addEventListener("loadingdone", ask);
  for (const slider of sliders) slider.on(MOVED, ask);
  model.on("change:data", ask);
  nameSliders(sliders, model.get("title"));
  measure();
  frame();
  stage.dataset.ready = "";
  return () => {
    resized.disconnect();
    themed.disconnect();
    removeEventListener("resize", ask);
    document.fonts.removeEventListener("loadingdone", ask);
    cancelAnimationFrame(asked);
    for (const slider of sliders) slider.off(MOVED, ask);
    model.off("change:data", ask);
  };
}

/** A canvas that is sharp on any screen: `fit` gives its context in CSS pixels, cleared, with width and height. */
function sharpCanvas(attributes) {
  const canvas = make("canvas", attributes);
  const fit = () => {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const pixels = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) [canvas.width, canvas.height] = pixels;
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    return { context, width, height };
  };
  return { canvas, fit };
}

/** The theme's colours: `ink`, `muted`, `faint`, `paper`, `accent`, and `0` to `9` for classes and series. */
function coloursOf(element) {
  const style = getComputedStyle(element);
  return new Proxy({}, { get: (_, name) => style.getPropertyValue(`--vae-${String(name)}`).trim() });
}

/** Grey (dark is 1) or colour pixels in [0, 1] into a canvas of the image's own size. */
function paint(canvas, pixels) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const picture = context.createImageData(canvas.width, canvas.height);
  const channels = pixels.length / (canvas.width * canvas.height);
  for (let i = 0; i < canvas.width * canvas.height; i++) {
    for (let c = 0; c < 3; c++) {
      const value = clip(pixels[i * channels + (channels === 3 ? c : 0)], 0, 1);
      picture.data[4 * i + c] = Math.round(255 * (channels === 3 ? value : 1 - value));
    }
    picture.data[4 * i + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
}

/** Drag anywhere, by pointer or touch: `move(x, y)` in fractions of the element, y upwards. */
function draggable(element, move, signal) {
  const at = (event) => {
    const box = element.getBoundingClientRect();
    move((event.clientX - box.left) / box.width, 1 - (event.clientY - box.top) / box.height);
  };
  const on = (name, act) => element.addEventListener(name, act, { signal });
  on("pointerdown", (event) => {
    if (event.button) return; // a menu
    element.setPointerCapture(event.pointerId);
    element.focus({ preventScroll: true });
    if (event.pointerType !== "touch" || getComputedStyle(element).touchAction === "none") at(event);
    event.preventDefault();
  });
  on("click", at); // a tap, where a finger's press may begin a scroll
  on("pointermove", (event) => element.hasPointerCapture(event.pointerId) && at(event));
}

/** Arrow keys move by one step of the sliders, with shift by ten; Home goes to the middle. */
function steered(element, across, up, signal) {
  const act = (event) => {
    const steps = event.shiftKey ? 10 : 1;
    const go = (slider, by) => slider && turn(slider, slider.get("value") + by * steps * slider.get("step"));
    const middle = (slider) => slider && turn(slider, (slider.get("min") + slider.get("max")) / 2);
    const moves = {
      ArrowLeft: () => go(across, -1),
      ArrowRight: () => go(across, 1),
      ArrowDown: () => go(up ?? across, -1),
      ArrowUp: () => go(up ?? across, 1),
      Home: () => [across, up].forEach(middle),
    };
    if (event.altKey || event.ctrlKey || event.metaKey || !moves[event.key]) return;
    moves[event.key]();
    event.preventDefault();
    event.stopPropagation();
  };
  element.addEventListener("keydown", act, { signal });
}

/** A diagram with axes inside a canvas: x and y to pixels, lines, fills, points and words. */
class Panel {
  constructor({ context, width, height }, colours, { x, y, left = 0, right = 1, top = 0, bottom = 1, title, xlabel, ylabel, xticks = true }) {
    this.small = width < 480;
    Object.assign(this, { context, colours, xlim: x, ylim: y, font: this.small ? 10.5 : 12.5 });
    const margin = { left: ylabel ? (this.small ? 30 : 42) : 10, right: 8, top: this.font * 1.9, bottom: this.font * 2.9 };
    this.box = {
      left: width * left + margin.left,
      right: width * right - margin.right,
      top: height * top + margin.top,
      bottom: height * bottom - margin.bottom,
    };
    this.frame({ title, xlabel, ylabel, xticks });
  }

  x(value) {
    const { left, right } = this.box;
    return left + ((value - this.xlim[0]) / (this.xlim[1] - this.xlim[0])) * (right - left);
  }

  y(value) {
    const { top, bottom } = this.box;
    return bottom - ((value - this.ylim[0]) / (this.ylim[1] - this.ylim[0])) * (bottom - top);
  }

  words(text, x, y, { align = "left", colour = this.colours.ink, bold = false, turned = false } = {}) {
    const { context, font } = this;
    context.save();
    context.translate(x, y);
    if (turned) context.rotate(-Math.PI / 2);
    context.font = `${bold ? 650 : 400} ${font}px ${this.colours.font}`;
    context.textAlign = align;
    context.fillStyle = colour;
    context.fillText(text, 0, 0);
    context.restore();
  }

  frame({ title, xlabel, ylabel, xticks }) {
    const { context, box, colours, font } = this;
    context.strokeStyle = colours.faint;
    context.lineWidth = 1;
    for (const value of xticks ? ticks(this.xlim, this.small ? 3 : 5) : []) {
      this.stroke([[value, this.ylim[0]], [value, this.ylim[1]]], colours.faint, { width: 1 });
      this.words(tickWords(value), this.x(value), box.bottom + font * 1.25, { align: "center", colour: colours.muted });
    }
    if (ylabel)
      for (const value of ticks(this.ylim, 4)) {
        this.stroke([[this.xlim[0], value], [this.xlim[1], value]], colours.faint, { width: 1 });
        this.words(tickWords(value), box.left - 5, this.y(value) + font * 0.35, { align: "right", colour: colours.muted });
      }
    this.stroke([[this.xlim[0], this.ylim[0]], [this.xlim[1], this.ylim[0]]], colours.muted, { width: 1 });
    if (title) this.words(title, box.left, box.top - font * 0.8, { bold: true });
    if (xlabel) this.words(xlabel, box.right, box.bottom + font * 2.5, { align: "right", colour: colours.muted });
  }

  path(points) {
    this.context.beginPath();
    points.forEach(([x, y], i) => this.context[i ? "lineTo" : "moveTo"](this.x(x), this.y(y)));
  }

  stroke(points, colour, { width = 2, dash = [] } = {}) {
    this.path(points);
    Object.assign(this.context, { strokeStyle: colour, lineWidth: width, lineJoin: "round" });
    this.context.setLineDash(dash);
    this.context.stroke();
    this.context.setLineDash([]);
  }

  fill(points, colour, alpha = 0.18) {
    this.path(points);
    Object.assign(this.context, { fillStyle: colour, globalAlpha: alpha });
    this.context.fill();
    this.context.globalAlpha = 1;
  }

  /** A ring with a halo: the point that the reader moves. */
  ring(x, y, colour = this.colours.accent, radius = 7) {
    for (const [style, width] of [[this.colours.paper, 6], [colour, 3]]) {
      this.context.beginPath();
      this.context.arc(this.x(x), this.y(y), radius, 0, 7);
      Object.assign(this.context, { strokeStyle: style, lineWidth: width });
      this.context.stroke();
    }
  }

  clipped(draw) {
    const { left, right, top, bottom } = this.box;
    this.context.save();
    this.context.beginPath();
    this.context.rect(left, top - 2, right - left, bottom - top + 4);
    this.context.clip();
    draw();
    this.context.restore();
  }
}

/** About `count` round numbers within the limits. */
function ticks([low, high], count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) found.push(+(i * step).toPrecision(12));
  return found;
}

const tickWords = (value) => String(value).replace("-", "−");

/** `from` … `to` in equal steps, with f of each: the points of a curve. */
const curve = (f, from, to, steps = 200) =>
  Array.from({ length: steps + 1 }, (_, i) => from + ((to - from) * i) / steps).map((x) => [x, f(x)]);

/** A drawing with a line of numbers below it, which `say` renews; of a slider, its own value comes before them. */
function drawingWithWords(stage, attributes) {
  const drawing = sharpCanvas({ class: "vae-drawing", ...attributes });
  const line = make("p", { class: "vae-readout" });
  stage.classList.add("vae-chart");
  stage.append(drawing.canvas, line);
  const say = (text, place) => {
    line.textContent = text;
    drawing.canvas.setAttribute(attributes.role === "img" ? "aria-label" : "aria-valuetext", place ? `${place}: ${text}` : text);
  };
  return { ...drawing, say };
}

/** Where in a panel's own numbers a fraction of its canvas lies. */
function within({ box, xlim, ylim }, { clientWidth, clientHeight }, fx, fy) {
  const x = (fx * clientWidth - box.left) / (box.right - box.left);
  const y = (box.bottom - (1 - fy) * clientHeight) / (box.bottom - box.top);
  return [xlim[0] + x * (xlim[1] - xlim[0]), ylim[0] + y * (ylim[1] - ylim[0])];
}

const normal = (x, mean, sigma) => Math.exp(-0.5 * ((x - mean) / sigma) ** 2) / (sigma * Math.sqrt(2 * Math.PI));
