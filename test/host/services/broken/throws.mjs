throw new TypeError("prices are not open yet");
