/** A service that does a little of everything, for the contract of hosts. It runs in each host from this very file. */
import { Service } from "../../../src/index.js";

/** What its clients expose. */
export interface DiaryClient {
  confirm(question: string): boolean | Promise<boolean>;
  note(text: string): void;
}

export default class Diary extends Service<DiaryClient> {
  #lines: string[] = [];

  override opened() {
    this.#lines.push(`opened ${this.session.state}`);
  }

  override interrupted() {
    this.#lines.push("interrupted");
  }

  override resumed() {
    this.#lines.push("resumed");
  }

  echo(value: unknown): unknown {
    return value;
  }

  where() {
    return { pid: process.pid };
  }

  async ask(question: string) {
    return this.client.confirm(question);
  }
}
