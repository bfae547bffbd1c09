/** The service that bench/hosts.mjs runs in every host. */
import { Service } from "../dist/index.js";

export default class Echo extends Service {
  echo(value) {
    return value;
  }
}
