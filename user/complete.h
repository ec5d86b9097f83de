/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NSWATCH_COMPLETE_H
#define NSWATCH_COMPLETE_H

/*
 * `nswatch --complete WORD...`, which the completion scripts of the shells call:
 * prints what may stand in the place of the last word, one a line, with a
 * description behind a tab. Two lines are for the shell to fill in: ":files" and
 * ":commands". Returns the exit status.
 */
int complete_main(int nr_words, char **words);

#endif
