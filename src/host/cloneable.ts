/** A message as structured clone should get it: of octets it copies the whole buffer beneath, however few there are. */
export function cloneable<Message extends { readonly type: string }>(message: Message): Message {
  const { octets } = message as { readonly octets?: Uint8Array };
  if (octets === undefined || octets.byteLength === octets.buffer.byteLength) return message;
  // Not Buffer's own slice, which is a view again.
  return { ...message, octets: Uint8Array.prototype.slice.call(octets) };
}
