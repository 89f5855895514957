// Package soak kills, stops and restarts real processes while they import users,
// and then explains every user and every address by the results that were given.
//
// A [Backend] says into what they import. [Main] is a program that starts its
// servers, workers and importers as processes that are killed at random instants and
// at certain calls, and itself submits and cancels jobs, writes to users as a host
// program does, and reads users all the time. Package audit describes how a row that
// was lost, applied twice or misreported is found.
//
// What is done and which fault comes when follows from -seed; what meets what does
// not, since real processes run.
package soak
