// Something keeps it alive, and nothing ever comes of it.
setInterval(() => undefined, 1_000);
await new Promise(() => undefined);
export default undefined;
