/** A service in JavaScript, as a program that was built would have it. */
import { Service } from "../../../src/index.js";

export default class Plain extends Service {
  /** @param {unknown} value */
  echo(value) {
    return value;
  }
}
