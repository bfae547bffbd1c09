/** What the second pass over a file counts. */

/** One bar: a category or a range of numbers. */
export interface Bar {
  readonly label: string;
  readonly count: number;
}

/** Places that stand for at least `least` rows each. */
export interface PlaceLevel {
  readonly least: number;
  readonly places: readonly (readonly [longitude: number, latitude: number])[];
}

/** What a chart is drawn from. */
export type ChartData =
  | { readonly kind: "bars"; readonly by: string; readonly bars: readonly Bar[]; readonly others: number }
  | {
      readonly kind: "histogram";
      readonly of: string;
      readonly bins: readonly { readonly from: number; readonly to: number; readonly count: number }[];
    }
  | {
      readonly kind: "map";
      readonly levels: readonly PlaceLevel[];
      /** Rows outside of the frame that holds nearly all. */
      readonly outside: number;
      /** West, south, east, north. */
      readonly frame: readonly [number, number, number, number];
    };

/** A finished count: for the chart, and as a table with a header. */
export interface Tallied {
  readonly data: ChartData;
  readonly table: readonly (readonly (string | number)[])[];
}

/** Takes the rows of the second pass. */
export interface Tally {
  /** How the rows that lack something could be shown all the same; undefined if they cannot. */
  readonly keepLacking: string | undefined;
  /** Takes a row; false if it lacks what the chart needs. */
  add(cells: readonly string[]): boolean;
  /** `lacking`: how many rows without it are to be shown. */
  finish(lacking: number): Tallied;
}
