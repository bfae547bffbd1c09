/** Which charts a file is good for: what the desk asks about. */
import { count, counted } from "../shared/words.js";
import { CategoryTally } from "./category-tally.js";
import { HistogramTally } from "./histogram-tally.js";
import { MapTally } from "./map-tally.js";
import type { Column, Profile } from "./profile.js";
import type { Tally } from "./tally.js";

/** One chart that can be made of a file. */
export interface Choice {
  /** For the person who chooses. */
  readonly label: string;
  /** What a row must have to be in it. */
  readonly needs: string;
  start(): Tally;
}

/** A person wants to choose from a few. */
const CATEGORIES_SHOWN_MAX = 4;
const CHOICES_MAX = 8;
/** Of a column of numbers, so many of the filled cells must be numbers. */
const NUMBERS_SHARE_MIN = 0.9;
const CATEGORIES_MAX = 120;
const DISTINCT_NUMBERS_MIN = 12;

const latitudes = new Set(["lat", "latitude", "latitude_deg"]);
const longitudes = new Set(["lon", "lng", "long", "longitude", "longitude_deg"]);

/** The charts for a file, the most telling first. None for a file without a column that repeats or counts. */
export function choicesFor({ columns, rows }: Profile): Choice[] {
  const latitude = columns.find((column) => latitudes.has(column.name.toLowerCase()) && isNumeric(column));
  const longitude = columns.find((column) => longitudes.has(column.name.toLowerCase()) && isNumeric(column));
  const choices: Choice[] = [];
  if (latitude && longitude) {
    choices.push({
      label: `A map by ${latitude.name} and ${longitude.name}`,
      needs: `usable ${latitude.name} and ${longitude.name}`,
      start: () => new MapTally(latitude.index, longitude.index, rows),
    });
  }
  const rest = columns.filter((column) => column !== latitude && column !== longitude);
  const categories = rest.filter((column) => isCategory(column, rows)).slice(0, CATEGORIES_SHOWN_MAX);
  return [...choices, ...categories.map(byCategory), ...numeric(rest, rows)].slice(0, CHOICES_MAX);
}

function byCategory(column: Column): Choice {
  return {
    label: `Rows by ${column.name} (${counted(column.values?.size ?? 0, "value")})`,
    needs: column.name,
    start: () => new CategoryTally(column),
  };
}

function numeric(columns: readonly Column[], rows: number): Choice[] {
  return columns
    .filter((column) => isNumeric(column) && !isCategory(column, rows) && !isNumberedThrough(column, rows))
    .filter((column) => column.max > column.min)
    .map((column) => ({
      label: `How ${column.name} is spread (${count(column.min)} to ${count(column.max)})`,
      needs: `number as ${column.name}`,
      start: () => new HistogramTally(column),
    }));
}

function isNumeric({ numbers, empty }: Column, rows = numbers + empty): boolean {
  return numbers > 0 && numbers >= NUMBERS_SHARE_MIN * (rows - empty);
}

/** Few values that repeat. Numbers count as a category only if there are very few of them. */
function isCategory(column: Column, rows: number): boolean {
  const distinct = column.values?.size ?? Number.POSITIVE_INFINITY;
  const most = isNumeric(column, rows) ? DISTINCT_NUMBERS_MIN : CATEGORIES_MAX;
  return distinct >= 2 && distinct <= Math.min(most, rows / 2);
}

/** Whether a column looks like a key: many numbers, of which none stands out. ZIP codes are no quantity. */
function isNumberedThrough({ name, values, numbers }: Column, rows: number): boolean {
  return (
    /(^|[_ ])(id|code|zip|key|no)([_ ]|$)/i.test(name) || (values?.size === numbers && rows > DISTINCT_NUMBERS_MIN)
  );
}
