import { numberIn } from "./profile.js";
import type { ChartData, PlaceLevel, Tallied, Tally } from "./tally.js";

/** Dots from west to east at most. */
const DOTS_ACROSS = 140;
/** A dot belongs to the highest of these that its rows reach. */
const LEVELS = [1, 3, 10, 30, 100];
/** So much of the rows may lie outside of the frame at each side. */
const OUTSIDE_SHARE = 0.0125;
const MERCATOR_LATITUDE_MAX = 84;

type Frame = Extract<ChartData, { kind: "map" }>["frame"];

/** Counts the rows of each small square of a map. */
export class MapTally implements Tally {
  readonly keepLacking = undefined;
  readonly #latitudeIndex: number;
  readonly #longitudeIndex: number;
  readonly #places: Float32Array;
  readonly #byLongitude = new Uint32Array(361);
  readonly #byLatitude = new Uint32Array(181);
  #count = 0;

  constructor(latitudeIndex: number, longitudeIndex: number, rows: number) {
    this.#latitudeIndex = latitudeIndex;
    this.#longitudeIndex = longitudeIndex;
    this.#places = new Float32Array(2 * rows);
  }

  add(cells: readonly string[]): boolean {
    const latitude = numberIn(cells[this.#latitudeIndex]);
    const longitude = numberIn(cells[this.#longitudeIndex]);
    if (!(Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180)) return false;
    this.#places[2 * this.#count] = longitude;
    this.#places[2 * this.#count + 1] = latitude;
    this.#count += 1;
    raise(this.#byLongitude, Math.floor(longitude) + 180);
    raise(this.#byLatitude, Math.floor(latitude) + 90);
    return true;
  }

  finish(): Tallied {
    const frame = this.#frame();
    const [west, south, east, north] = frame;
    const step = (east - west) / DOTS_ACROSS;
    const rowsOf = new Map<string, { place: [number, number]; rows: number }>();
    let outside = 0;
    for (let index = 0; index < this.#count; index += 1) {
      const longitude = this.#places[2 * index] as number;
      const latitude = this.#places[2 * index + 1] as number;
      if (longitude < west || longitude > east || latitude < south || latitude > north) {
        outside += 1;
        continue;
      }
      const x = Math.floor((longitude - west) / step);
      const y = Math.floor((mercator(latitude) - mercator(south)) / step);
      const dot = rowsOf.get(`${x},${y}`);
      if (dot) dot.rows += 1;
      else
        rowsOf.set(`${x},${y}`, {
          place: [west + (x + 0.5) * step, unmercator(mercator(south) + (y + 0.5) * step)],
          rows: 1,
        });
    }
    const dots = [...rowsOf.values()].sort((one, other) => other.rows - one.rows);
    return {
      data: { kind: "map", levels: levelsOf(dots), outside, frame },
      table: [["longitude", "latitude", "rows"], ...dots.map(({ place, rows }) => [...place.map(short), rows])],
    };
  }

  /** The degrees that hold nearly all rows: one far island must not make everything else small. */
  #frame(): Frame {
    const [west, east] = span(this.#byLongitude, this.#count);
    const [south, north] = span(this.#byLatitude, this.#count);
    const within = (degrees: number) => Math.max(-MERCATOR_LATITUDE_MAX, Math.min(MERCATOR_LATITUDE_MAX, degrees));
    return [west - 180, within(south - 90), east - 180, within(north - 90)];
  }
}

function raise(counts: Uint32Array, index: number): void {
  counts[index] = (counts[index] ?? 0) + 1;
}

/** From where to where the counts hold all but a small share at each side. */
function span(counts: Uint32Array, total: number): [number, number] {
  const least = total * OUTSIDE_SHARE;
  const reached = (values: Iterable<[number, number]>) => {
    let sum = 0;
    for (const [index, value] of values) {
      sum += value;
      if (sum > least) return index;
    }
    return 0;
  };
  return [reached(counts.entries()), reached([...counts.entries()].reverse()) + 1];
}

function levelsOf(dots: readonly { readonly place: [number, number]; readonly rows: number }[]): PlaceLevel[] {
  const levels = LEVELS.map((least, index) => {
    const next = LEVELS[index + 1] ?? Number.POSITIVE_INFINITY;
    return { least, places: dots.filter(({ rows }) => rows >= least && rows < next).map(({ place }) => place) };
  });
  return levels.filter(({ places }) => places.length > 0);
}

const DEGREE = Math.PI / 180;

/** Latitude to the scale that a Mercator map has, in degrees of longitude; and back. */
function mercator(latitude: number): number {
  return Math.log(Math.tan(Math.PI / 4 + (latitude * DEGREE) / 2)) / DEGREE;
}

function unmercator(y: number): number {
  return (2 * Math.atan(Math.exp(y * DEGREE)) - Math.PI / 2) / DEGREE;
}

function short(degrees: number): number {
  return Number(degrees.toFixed(3));
}
