/* Needs a function that nobody has: a plugin that was linked against something else than it meets. */
extern int unshard_no_such_function(void);
extern int unshard_test_call(void);
int unshard_test_call(void) {
    return unshard_no_such_function();
}
