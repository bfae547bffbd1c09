/** A program of its own: prints the callable methods of the service module that it is given, as a line of JSON. */
import { print, printError } from "./output.js";
import { loadService } from "./service-module.js";

try {
  const { methods } = await loadService(new URL(process.argv[2] ?? ""));
  print(JSON.stringify(methods));
  // Whatever the module has begun is of no use here.
  process.exit(0);
} catch (error) {
  printError((error as Error).message);
  process.exit(1);
}
