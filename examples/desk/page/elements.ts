/** The element with this id; the page's own HTML has it. */
export function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
}

/** Shows or hides a part of the page. */
export function show(id: string, isShown: boolean): void {
  element(id).hidden = !isShown;
}
