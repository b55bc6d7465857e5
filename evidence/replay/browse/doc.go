// Package browse walks a recorded attack again: a headless Chromium is given the
// recorded answers, and what it asks for by itself shows which of them led to which.
//
// The browser is exposed to a live attack, so it gets a place from which nothing can
// leave. The program executes itself again (Inside) in user, network, process and mount
// namespaces of its own, as an unprivileged user, in two steps:
//
//   - the first sets up the loopback interface, the only one there is, makes every
//     file system read-only but for a tmpfs for the browser's profile, hides the sockets
//     of services (/run), and executes the second without any capability, and without a
//     way to gain one;
//   - the second listens on 127.0.0.1, hands the listening socket to the program that
//     started it, and starts the browser, which it drives through a pipe.
//
// So the replay server stays in the first process, which holds the Reading: a socket
// belongs to the network namespace that it was made in, whoever accepts from it. The
// second process is the first of its process namespace: when it ends, the kernel ends
// whatever the browser started, and the profile is gone with the mount namespace.
//
// Scripts get the time of the attack, and timers pass as soon as nothing is left to do
// before them, two minutes in all; a worker that never rests holds them up.
//
// Chromium keeps its own sandbox where the kernel lets it have one; Result.Sandbox says.
package browse
