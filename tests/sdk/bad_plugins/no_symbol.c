/* A shared object, but no plugin. */
extern int unshard_test_answer;
int unshard_test_answer = 42;
