import { Service } from "../../src/rpc/service.js";

/** What the client under check exposes. */
interface CheckClient {
  answer(question: string): Promise<string>;
}

/** The service that spec/check/README.md asks for. */
export class CheckDesk extends Service<CheckClient> {
  #runs = 0;

  greet(name: string): string {
    return `hello, ${name}`;
  }
  echo(value: unknown): unknown {
    return value;
  }
  fail(message: string): never {
    throw new Error(message);
  }
  relay(listener: (value: number) => Promise<number>, value: number): Promise<number> {
    return listener(value);
  }
  ask(question: string): Promise<string> {
    return this.client.answer(question);
  }
  async later(ms: number): Promise<number> {
    this.#runs += 1;
    const runs = this.#runs;
    await new Promise((resolve) => setTimeout(resolve, ms));
    return runs;
  }
  runs(): number {
    return this.#runs;
  }
}
