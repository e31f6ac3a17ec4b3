// The picture with what was seen in it: boxes, the square that the network saw, the map over it.

const LONGEST = 1280; // pixels of the picture as shown; the service gets the file itself
const MOST = 60_000_000; // pixels that a browser is asked to decode
const SVG = "http://www.w3.org/2000/svg";

// Matplotlib's inferno from a quarter on, as the reports draw it: rises in lightness, safe for colour-blind readers.
const INFERNO = [
  [87, 16, 110], [117, 27, 110], [147, 38, 103], [177, 50, 90], [204, 66, 72], [228, 90, 49],
  [243, 120, 25], [251, 153, 6], [251, 190, 35], [243, 227, 90], [252, 255, 164],
];

export class Stage {
  constructor(root, onPick) {
    this.root = root;
    this.onPick = onPick;
    this.picture = root.querySelector(".picture");
    this.map = root.querySelector(".map");
    this.marks = root.querySelector(".marks");
    this.missing = root.querySelector(".no-preview");
    this.shown = false;
  }

  /** Draw the file, upright and scaled down; false where this browser cannot. */
  async show(file) {
    const image = new Image();
    const address = URL.createObjectURL(file);
    try {
      image.src = address;
      // The size is known before a pixel is decoded: decode() would not wait for us to look at it.
      await new Promise((resolve, reject) => Object.assign(image, { onload: resolve, onerror: reject }));
      const { naturalWidth: width, naturalHeight: height } = image;
      if (!(width && height) || width * height > MOST) throw new Error("not shown");
      this.shape(width, height);
      this.natural = [width, height];
      const context = this.picture.getContext("2d");
      context.imageSmoothingQuality = "high";
      context.drawImage(image, 0, 0, this.picture.width, this.picture.height);
      this.shown = true;
    } catch {
      // No picture, or one that only the service can read.
    } finally {
      URL.revokeObjectURL(address);
    }
    return this.shown;
  }

  shape(width, height) {
    const scale = Math.min(1, LONGEST / Math.max(width, height));
    for (const canvas of [this.picture, this.map]) {
      canvas.width = Math.max(1, Math.round(width * scale));
      canvas.height = Math.max(1, Math.round(height * scale));
    }
    this.root.style.aspectRatio = `${width} / ${height}`;
    this.root.style.maxWidth = `min(100%, ${(62 * width) / height}vh)`;
  }

  /** Lay the findings over the picture; `result.width` and `height` are those of the upright picture. */
  async mark(result) {
    const { width, height } = result;
    this.missing.textContent = "This browser cannot show the picture.";
    this.missing.hidden = this.shown;
    if (!this.shown) this.shape(width, height);
    else if (this.natural[0] !== width || this.natural[1] !== height) {
      // Not every browser turns every format by its EXIF tag: a box in the wrong place is worse than none.
      this.differs = true;
      return;
    }
    this.size = [width, height];
    this.findings = result.findings;
    this.heats = await Promise.all(result.findings.map((finding) => coloured(finding.heatmap)));
    this.marks.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.outline = document.createElementNS(SVG, "polygon");
    this.outline.classList.add("region");
    this.marks.append(this.outline);
    this.boxes = result.findings.map((finding, index) => this.box(finding, index));
  }

  box(finding, index) {
    if (finding.box === null) return null;
    const [left, top, right, bottom] = finding.box;
    const group = document.createElementNS(SVG, "g");
    group.classList.add("face", finding.verdict);
    for (const layer of ["under", "over"]) {
      const rect = document.createElementNS(SVG, "rect");
      for (const [name, value] of Object.entries({ x: left, y: top, width: right - left, height: bottom - top })) {
        rect.setAttribute(name, value);
      }
      rect.classList.add(layer);
      group.append(rect);
    }
    group.addEventListener("click", () => this.onPick(index));
    this.marks.append(group);
    if (this.findings.length > 1) this.root.append(this.tag(index, left, top));
    return group;
  }

  tag(index, left, top) {
    const tag = document.createElement("span");
    tag.className = "tag";
    tag.ariaHidden = "true";
    tag.textContent = index + 1;
    tag.style.left = `${(100 * Math.max(0, left)) / this.size[0]}%`;
    tag.style.top = `max(1.4rem, ${(100 * top) / this.size[1]}%)`; // it stands on the box, inside the picture
    return tag;
  }

  /** Show one finding's map and outline. */
  select(index) {
    const finding = this.findings?.[index];
    if (!finding) return;
    this.boxes.forEach((box, other) => box?.classList.toggle("chosen", other === index));
    this.outline.setAttribute("points", finding.region.map((corner) => corner.join(",")).join(" "));
    const context = this.map.getContext("2d");
    context.resetTransform();
    context.clearRect(0, 0, this.map.width, this.map.height);
    const heat = this.heats[index];
    if (!heat) return;
    const [first, second, , last] = finding.region;
    const [across, down] = [this.map.width / this.size[0], this.map.height / this.size[1]];
    const column = (corner, axis, scale, side) => ((corner[axis] - first[axis]) * scale) / side;
    context.setTransform(
      column(second, 0, across, heat.width), column(second, 1, down, heat.width),
      column(last, 0, across, heat.height), column(last, 1, down, heat.height),
      first[0] * across, first[1] * down,
    );
    context.drawImage(heat, 0, 0);
  }

  set opacity(share) {
    this.map.style.opacity = share;
  }

  hasMap(index) {
    return Boolean(this.heats?.[index]);
  }

  isBlank(index) {
    return Boolean(this.heats?.[index]?.blank);
  }
}

/** A grey map as a canvas in colour: the hotter, the less of the picture shows through. */
async function coloured(address) {
  if (!address?.startsWith("data:image/png")) return null;
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  canvas.blank = true;
  for (let at = 0; at < pixels.data.length; at += 4) {
    const heat = pixels.data[at];
    if (heat) canvas.blank = false;
    const place = (heat / 255) * (INFERNO.length - 1);
    const [below, above] = [INFERNO[Math.floor(place)], INFERNO[Math.ceil(place)]];
    for (let channel = 0; channel < 3; channel += 1) {
      pixels.data[at + channel] = below[channel] + (above[channel] - below[channel]) * (place % 1);
    }
    pixels.data[at + 3] = heat;
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}
